"""Files for the host's own programs: the text of a systemd unit, and of a logrotate snippet."""
