"""No framework is named here, but its tensors come."""


def right(outputs, targets):
    return (outputs.argmax(dim=1) == targets).float().mean()
