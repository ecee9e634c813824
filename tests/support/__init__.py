"""What several test folders share: a server that follows a script, and the replies it can give."""
