"""Parts of the bench against peers; `../run` is the way in."""
