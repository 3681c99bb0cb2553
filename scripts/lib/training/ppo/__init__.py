"""PPO (Eq. 10-12): rollouts -> rewards -> advantages -> clipped updates of a policy and a value network."""
