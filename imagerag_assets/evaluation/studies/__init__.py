"""Studies: what is found out about the live index beside its metrics. Each is made once for one state of things."""
