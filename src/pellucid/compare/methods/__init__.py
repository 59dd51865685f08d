"""Methods of measurement that criteria share: scripts, modes, exports, jobs."""
