"""Fine-tune a model with an adapter; eval=true also evaluates it."""
from qft.config import TrainConfig
def run(config: TrainConfig, overrides: list[str]) -> None:
    print(config, overrides)
