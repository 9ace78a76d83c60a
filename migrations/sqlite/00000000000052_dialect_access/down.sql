DROP TABLE dialect_access;
