from parts import *


class Net(nn.Module):
    """A network whose layers are reached by name, with a moving mean of what it saw."""

    def __init__(self, width=6, depth=2):
        super(Net, self).__init__()
        self.depth = depth
        for i in range(depth):
            self.__setattr__("block_%d" % i, Block(width))
        self.head = nn.Linear(width, 2)
        nn.init.orthogonal_(self.head.weight, nn.init.calculate_gain("relu"))
        self.register_buffer("seen", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x):
        if self.training:
            self.seen += 1
            self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        x = x - self.mean
        for i in range(self.depth):
            x = self.__getattr__("block_%d" % i)(x)
        return self.head(x)
