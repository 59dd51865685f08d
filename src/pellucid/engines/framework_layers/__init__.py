"""What a framework calls each layer, as data: read by engines, scripts and writers.

No framework is imported here.
"""

from __future__ import annotations

from pellucid.engines.framework_layers.call import LayerCall

__all__ = ["LayerCall"]
