"""Trains a classifier twice: by a loop that only trains, and by one that does more."""
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
X = torch.randn(60, 1, 8, 8)
y = torch.randint(0, 3, (60,))
train_loader = DataLoader(TensorDataset(X[:40], y[:40]), batch_size=16, shuffle=True)
val_loader = DataLoader(TensorDataset(X[40:], y[40:]), batch_size=16)


class Net(nn.Module):
    def __init__(self, width=4, n_out=3):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(width * 36, n_out)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(x.flatten(1)))


device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

num_epochs = 2
train_losses, val_accs = [], []
for epoch in range(num_epochs):
    model.train()
    running_loss = 0.0
    for inputs, labels in train_loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * inputs.size(0)
    scheduler.step()
    train_losses.append(running_loss / len(train_loader.dataset))

    model.eval()
    correct, total = 0, 0
    with torch.no_grad():
        for inputs, labels in val_loader:
            outputs = model(inputs.to(device))
            _, predicted = torch.max(outputs.data, 1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    val_acc = 100 * correct / total
    val_accs.append(val_acc)
    print(f"Epoch {epoch + 1}/{num_epochs}: accuracy {val_acc:.2f}")
print(train_losses, val_accs)


def one_epoch(model, loader, optimizer):
    model.train()
    total, correct = 0.0, 0
    for x, y in loader:
        logits = model(x)
        loss = nn.functional.nll_loss(logits.log_softmax(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        correct += (logits.argmax(1) == y).sum().item()
    return total / len(loader.dataset), correct


print(one_epoch(model, train_loader, optimizer))

# each gradient is cut, which fit does not do
for inputs, labels in train_loader:
    optimizer.zero_grad()
    loss = criterion(model(inputs), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
