"""Recurrent text classifiers."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class LSTMClassifier(nn.Module):
    def __init__(self, vocab_size=50, embed_dim=12, hidden_dim=10, num_layers=2, num_classes=4, bidirectional=True):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.embedding = nn.Embedding(vocab_size, embed_dim, padding_idx=0)
        self.lstm = nn.LSTM(embed_dim, hidden_dim, num_layers=num_layers, batch_first=True,
                            bidirectional=bidirectional, dropout=0.2)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(hidden_dim * (2 if bidirectional else 1), num_classes)

    def forward(self, text):
        embedded = self.dropout(self.embedding(text))
        output, (hidden, cell) = self.lstm(embedded)
        hidden = torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1)
        return self.fc(self.dropout(hidden))


class GRUClassifier(nn.Module):
    def __init__(self, vocab_size=50, embed_dim=8, hidden=6):
        super().__init__()
        self.hidden = hidden
        self.emb = nn.Embedding(vocab_size, embed_dim)
        self.gru = nn.GRU(embed_dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        h0 = torch.zeros(1, x.size(0), self.hidden).to(x.device)
        out, h = self.gru(self.emb(x), h0)
        return F.log_softmax(self.out(out[:, -1, :]), dim=1)


class CNNLSTM(nn.Module):
    def __init__(self, vocab_size=50):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, 8)
        self.conv = nn.Conv1d(8, 12, 3, padding=1)
        self.pool = nn.MaxPool1d(2)
        self.lstm = nn.LSTM(12, 10)
        self.fc = nn.Linear(10, 1)

    def forward(self, x):
        x = self.emb(x).permute(0, 2, 1)
        x = self.pool(F.relu(self.conv(x)))
        x = x.permute(2, 0, 1)
        _, (h, _) = self.lstm(x)
        return torch.sigmoid(self.fc(h.squeeze(0))).squeeze(1)


class KimCNN(nn.Module):
    def __init__(self, vocab_size=50, dim=8, kernels=(3, 4, 5), n=6):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, dim)
        self.convs = nn.ModuleList([nn.Conv2d(1, n, (k, dim)) for k in kernels])
        self.fc = nn.Linear(len(kernels) * n, 3)

    def forward(self, x):
        x = self.emb(x).unsqueeze(1)
        x = [F.relu(conv(x)).squeeze(3) for conv in self.convs]
        x = [F.max_pool1d(i, i.size(2)).squeeze(2) for i in x]
        return self.fc(torch.cat(x, 1))
