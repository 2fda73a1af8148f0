"""E-mail: an outbox in the database, and the worker that hands it to a mail server. It knows no subject."""
