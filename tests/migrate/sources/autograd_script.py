"""Gradients by hand: weights that stand alone, gradients that are looked at, gradients of gradients."""
import torch
import torch.nn as nn
from torch.distributions import Categorical
from torch.nn.utils import spectral_norm, weight_norm

torch.manual_seed(0)
x = torch.linspace(-1, 1, 12).reshape(6, 2)
y = 3 * x[:, :1] - 2


def sgd(params, lr):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()


w = torch.randn(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for step in range(3):
    squares = (x @ w + b - y) ** 2  # one for each sample
    squares.mean().backward()
    sgd([w, b], 0.1)


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = weight_norm(nn.Linear(2, 5))
        self.mix = nn.Bilinear(5, 2, 4)
        self.out = spectral_norm(nn.Linear(4, 1))

    def forward(self, x):
        return self.out(torch.tanh(self.mix(torch.tanh(self.inside(x)), x)))


def residual(field, points):
    points.requires_grad_(True)
    u = field(points)
    slope = torch.autograd.grad(u, points, torch.ones_like(u), create_graph=True)[0]
    return (slope.norm(2, dim=1) - 1).pow(2).mean()


field = Field()
optimizer = torch.optim.SGD(field.parameters(), lr=0.1)
for step in range(3):
    optimizer.zero_grad()
    loss = residual(field, torch.rand(6, 2)) + field(x).pow(2).mean()
    loss.backward()
    largest = max(p.grad.abs().max().item() for p in field.parameters() if p.grad is not None)
    for p in field.parameters():
        p.grad.data.clamp_(-0.5, 0.5)
    optimizer.step()

image = torch.rand(2, 2)
image.requires_grad_()
field(image).sum().backward()
nearer = image + 0.1 * image.grad.sign()


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
        self.head = nn.Linear(4, 2)
        self.said = []

    def forward(self, state):
        return torch.softmax(self.head(self.body(state)), dim=-1)


policy, target = Policy(), Policy()
target.load_state_dict(policy.state_dict())
adam = torch.optim.Adam(policy.parameters(), lr=0.01)


def act(state):
    chances = Categorical(policy(state))
    action = chances.sample()
    policy.said.append(chances.log_prob(action))
    return action.item()


def learn(rewards):
    parts = [-said * reward for said, reward in zip(policy.said, rewards)]
    adam.zero_grad()
    loss = torch.stack(parts).sum()
    loss.backward()
    adam.step()
    del policy.said[:]


for episode in range(2):
    rewards = []
    for t in range(3):
        rewards.append(float(act(torch.eye(3)[t]) == 1))
    learn(rewards)
    theirs, mine = target.state_dict(), policy.state_dict()
    for key in mine:
        theirs[key] = 0.1 * mine[key] + 0.9 * theirs[key]
    target.load_state_dict(theirs)
