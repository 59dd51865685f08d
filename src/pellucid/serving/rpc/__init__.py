"""The Open Inference Protocol over gRPC, where grpcio is installed."""
