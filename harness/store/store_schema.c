/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables, as migrations in order; a migration that was released is never changed. {serial} and {compact} are the
 * driver's words. Rows are only added, so a writer needs no right to change or remove anything.
 */
#include "store/store_inner.h"

const char *const store_migrations[] = {
    /* 0 → 1 */
    "CREATE TABLE hardware (id {serial}, key TEXT NOT NULL UNIQUE, fields TEXT NOT NULL);"
    "CREATE TABLE environment (id {serial}, hash TEXT NOT NULL UNIQUE, fields TEXT NOT NULL);"
    "CREATE TABLE run (id {serial}, uuid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, started BIGINT NOT NULL, imported BIGINT NOT NULL,"
    " git_commit TEXT, dirty BIGINT NOT NULL, hardware BIGINT NOT NULL REFERENCES hardware (id), gpu_key TEXT,"
    " environment BIGINT NOT NULL REFERENCES environment (id), ternmark TEXT NOT NULL, complete BIGINT NOT NULL, fit BIGINT NOT NULL, exit_code BIGINT NOT NULL);"
    "CREATE TABLE cell (id {serial}, name TEXT NOT NULL, workload TEXT NOT NULL, suite TEXT NOT NULL, bench TEXT NOT NULL, UNIQUE (name, workload));"
    "CREATE TABLE metric (id {serial}, name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (name, unit));"
    "CREATE TABLE point (cell BIGINT NOT NULL, hardware BIGINT NOT NULL, metric BIGINT NOT NULL, started BIGINT NOT NULL, run BIGINT NOT NULL,"
    " value DOUBLE PRECISION NOT NULL, spread DOUBLE PRECISION, n BIGINT NOT NULL, PRIMARY KEY (cell, hardware, metric, started, run)){compact};"
    "CREATE TABLE sample_set (run BIGINT NOT NULL, cell BIGINT NOT NULL, n BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (run, cell));"
    "CREATE TABLE verdict (run BIGINT NOT NULL, cell BIGINT NOT NULL, metric TEXT NOT NULL, against TEXT NOT NULL, verdict TEXT NOT NULL,"
    " ratio DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION, reason TEXT, PRIMARY KEY (run, cell, metric, against)){compact};"
    "CREATE TABLE alert (id {serial}, cell BIGINT NOT NULL, hardware BIGINT NOT NULL, metric BIGINT NOT NULL, run BIGINT NOT NULL, kind TEXT NOT NULL,"
    " from_commit TEXT, to_commit TEXT, severity TEXT NOT NULL, level_before DOUBLE PRECISION NOT NULL, level_after DOUBLE PRECISION NOT NULL,"
    " change DOUBLE PRECISION NOT NULL, low DOUBLE PRECISION, high DOUBLE PRECISION, confidence DOUBLE PRECISION NOT NULL, raised BIGINT NOT NULL,"
    " runs_late BIGINT NOT NULL, seconds_late BIGINT NOT NULL, UNIQUE (cell, hardware, metric, run));"
    "CREATE TABLE note (id {serial}, kind TEXT NOT NULL, alert BIGINT, pattern TEXT, reason TEXT NOT NULL, until BIGINT, made BIGINT NOT NULL);"
    "CREATE TABLE judged (cell BIGINT NOT NULL, hardware BIGINT NOT NULL, metric BIGINT NOT NULL, points BIGINT NOT NULL, PRIMARY KEY (cell, hardware, metric, points)){compact};",
    /* 1 → 2: sample sets move into blocks (store_block.c); each old set is a block of its own, its id made of its key. */
    "CREATE TABLE sample_block (id {serial}, data BYTEA NOT NULL);"
    "ALTER TABLE point ADD COLUMN block BIGINT;"
    "ALTER TABLE point ADD COLUMN block_from BIGINT;"
    "ALTER TABLE point ADD COLUMN block_bytes BIGINT;"
    "INSERT INTO sample_block (id, data) SELECT -(run * 1000000 + cell), data FROM sample_set;"
    "UPDATE point SET block = -(run * 1000000 + cell), block_from = 1,"
    " block_bytes = (SELECT length(s.data) FROM sample_set AS s WHERE s.run = point.run AND s.cell = point.cell)"
    " WHERE metric IN (SELECT id FROM metric WHERE name = 'time' AND unit = 'ns')"
    " AND EXISTS (SELECT 1 FROM sample_set AS s WHERE s.run = point.run AND s.cell = point.cell);"
    "DROP TABLE sample_set;",
    /* 2 → 3: what a machine could not read, and why; `started` is that of the first run that said so. */
    "CREATE TABLE absence (hardware BIGINT NOT NULL, metric TEXT NOT NULL, why TEXT NOT NULL, started BIGINT NOT NULL, PRIMARY KEY (hardware, metric, why)){compact};",
};

const int64_t store_version = sizeof store_migrations / sizeof *store_migrations;
