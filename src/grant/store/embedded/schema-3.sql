-- One-time values live for minutes, so there are few: looking through all of them now and then is cheaper than a page
-- more in the commit of every sign-in.
DROP INDEX spent_until;
