"""Search for better values of a training config, by Optuna. A study is a folder: it can be killed
and go on, and several processes may work on it."""
