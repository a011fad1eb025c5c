"""In place of this project's: the plain DAG comes without what is loaded before tasks are forked."""
