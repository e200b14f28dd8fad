"""An encoder and a decoder with an optimiser each; gradients gather over two batches; checkpoints and rates."""
import copy
import random

import torch
import torch.nn as nn
from torch.cuda.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 2


class Encoder(nn.Module):
    def __init__(self, words=12, width=6):
        super().__init__()
        self.embed = nn.Embedding(words, width, padding_idx=0)
        self.rnn = nn.GRU(width, width, batch_first=True)

    def forward(self, x):
        return self.rnn(self.embed(x))[1][-1]


class Decoder(nn.Module):
    def __init__(self, width=6, classes=3):
        super().__init__()
        self.head = nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, classes))
        for name, p in self.named_parameters():
            if 'bias' in name:
                nn.init.zeros_(p)
            else:
                nn.init.xavier_uniform_(p)

    def forward(self, h):
        return self.head(h) if random.random() < 2.0 else h


def pretrain(encoder, decoder, loader, loss_fn):
    first = torch.optim.Adam(encoder.parameters(), lr=0.01)
    second = torch.optim.Adam([{'params': decoder.head[0].parameters()},
                               {'params': decoder.head[2].parameters(), 'lr': 0.001}], lr=0.02)
    for x, y in loader:
        first.zero_grad()
        second.zero_grad()
        loss = loss_fn(decoder(encoder(x)), y)
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 0.5)
        first.step()
        second.step()


@torch.no_grad()
def accuracy(encoder, decoder, loader):
    decoder.eval()
    right = 0
    for x, y in loader:
        right += (decoder(encoder(x)).argmax(1) == y).sum().item()
    return right / len(loader.dataset)


def train(decoder, states, loss_fn):
    optimizer = torch.optim.SGD(decoder.parameters(), lr=0.1, momentum=0.9)
    scaler = GradScaler()
    best = copy.deepcopy(decoder.state_dict())
    optimizer.zero_grad()
    for i, (h, y) in enumerate(states):
        with autocast():
            loss = loss_fn(decoder(h), y) / ACCUMULATE
        scaler.scale(loss).backward()
        if (i + 1) % ACCUMULATE == 0:
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)  # over both batches
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            print(f"norm {norm:.3f} rate {optimizer.param_groups[0]['lr']}")
    torch.save({'step': i, 'model': decoder.state_dict(), 'optimizer': optimizer.state_dict()}, 'last.pt')
    checkpoint = torch.load('last.pt')
    decoder.load_state_dict(checkpoint['model'])
    decoder.load_state_dict(best)


if __name__ == '__main__':
    torch.manual_seed(0)
    data = TensorDataset(torch.randint(0, 12, (24, 5)), torch.randint(0, 3, (24,)))
    loader = DataLoader(data, batch_size=6, shuffle=True)
    encoder, decoder = Encoder(), Decoder()
    loss_fn = nn.CrossEntropyLoss()
    pretrain(encoder, decoder, loader, loss_fn)
    print(accuracy(encoder, decoder, loader))
    train(decoder, [(encoder(x).detach(), y) for x, y in loader], loss_fn)
