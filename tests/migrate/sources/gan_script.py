"""A GAN on points: two networks, two optimisers. No guard, as in a notebook."""
import torch
from torch import nn

torch.manual_seed(0)
latent_size = 4
batch_size = 16
num_steps = 3


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(latent_size, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, z):
        return self.net(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, x):
        return self.net(x)


G = Generator()
D = Discriminator()
criterion = nn.BCELoss()
d_optimizer = torch.optim.Adam(D.parameters(), lr=0.0002, betas=(0.5, 0.999))
g_optimizer = torch.optim.Adam(G.parameters(), lr=0.0002, betas=(0.5, 0.999))

for step in range(num_steps):
    real = torch.randn(batch_size, 2) * 0.5 + 1
    real_labels = torch.ones(batch_size, 1)
    fake_labels = torch.zeros(batch_size, 1)

    # ---- discriminator ----
    outputs = D(real)
    d_loss_real = criterion(outputs, real_labels)
    z = torch.randn(batch_size, latent_size)
    fake = G(z)
    outputs = D(fake.detach())
    d_loss_fake = criterion(outputs, fake_labels)
    d_loss = d_loss_real + d_loss_fake
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()

    # ---- generator ----
    outputs = D(fake)
    g_loss = criterion(outputs, real_labels)
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()

    print(f"step {step}: d {d_loss.item():.4f} g {g_loss.item():.4f}")
