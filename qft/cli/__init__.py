"""The commands, one file each. The only room that sees Hydra and argv; start-up loads nothing heavy."""
