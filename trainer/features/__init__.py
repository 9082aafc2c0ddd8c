"""What models and snapshot know of users and movies beside the ratings."""
