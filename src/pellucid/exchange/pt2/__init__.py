"""torch.export's archive, in without PyTorch or a pickle, out by it."""

from pellucid.exchange.pt2.read import read
from pellucid.exchange.pt2.write import contents

__all__ = ["contents", "read"]
