"""What is kept up to date and told: standing views, live HyperViews, watches and subscriptions."""
