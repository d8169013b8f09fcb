"""What is kept beside the facts that name it: the content of files, in and out, in chunks."""
