/* SPDX-License-Identifier: Apache-2.0
 *
 * The history: every run of every machine, in SQLite or PostgreSQL behind one interface (driver.h). Rows are only ever added;
 * what was acknowledged is on disk. A result goes in whole or not at all, and once, however often it is given (run id).
 *
 * Nouns: series = one cell with one workload, on one hardware key, of one metric; point = one run of a series.
 * A cell whose work is on the GPU has the hardware key `<key>+<gpu key>`.
 * Faults as in driver.h. A store is for one thread and does not cross a fork.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum store_mode { STORE_READ, STORE_WRITE };

/* `url`: sqlite:FILE or postgresql://… (postgres:// too). STORE_WRITE makes and migrates; STORE_READ wants it there. */
struct store *store_open(const char *url, enum store_mode mode, struct fault *fault);
void store_close(struct store *store);

/* Whether the last fault was that the database is out of reach. */
bool store_is_down(const struct store *store);

/* $TERNMARK_STORE, else sqlite: in $XDG_DATA_HOME/ternmark or ~/.local/share/ternmark (made when missing). False without a home. */
bool store_default_url(char *url, size_t size, struct fault *fault);

struct store_counts {
    size_t runs, points, known;  /* new runs, new points, runs that were there already */
};

/* One result (SCHEMA.md; kind run, gate or baseline) in one transaction. Adds to `counts`. */
bool store_import(struct store *store, const json_t *result, struct store_counts *counts, struct fault *fault);

/* What to look at; NULL or 0: all. Patterns are POSIX extended expressions, unanchored. */
struct store_filter {
    const char *cell, *hardware, *metric;
    int64_t since;  /* seconds since 1970 */
};

struct store_series {
    int64_t cell, hardware, metric;  /* keys */
    char *cell_name, *hardware_key, *metric_name, *unit;
    int64_t points;
};

struct store_series_list {
    struct store_series *items;
    size_t n, room;
};

/* The series that match, by cell, hardware and metric; the caller clears the list. */
bool store_list(struct store *store, const struct store_filter *filter, struct store_series_list *list, struct fault *fault);
void store_list_clear(struct store_series_list *list);

/* Calls `tell` with each machine that could not read this metric, and why. */
bool store_absences(struct store *store, const char *metric, void (*tell)(void *to, const char *hardware_key, const char *why), void *to, struct fault *fault);

struct store_point {
    int64_t run, started;   /* key; seconds since 1970 */
    int64_t imported;       /* when it came here */
    double value, spread;   /* median and MAD in the metric's unit; spread 0 where there is one value */
    int64_t n;              /* samples */
    char uuid[40], commit[72];
};

struct store_points {
    struct store_point *items;
    size_t n, room;
};

/* The points of one series from `since` on, oldest first. free(points->items). */
bool store_points_of(struct store *store, const struct store_series *series, int64_t since, struct store_points *points, struct fault *fault);

/* The stored samples of a point, ns, generations joined; the caller frees them. *n is 0 when there are none. */
bool store_samples_of(struct store *store, const struct store_series *series, const struct store_point *point, double **samples, size_t *n, struct fault *fault);

/* What the store holds, for `history show`. */
struct store_totals {
    int64_t runs, cells, hardware, points, sample_sets, sample_bytes, samples, alerts, first, last;
    int64_t bytes;  /* of the whole on disk */
};
bool store_totals(struct store *store, struct store_totals *totals, struct fault *fault);

/* A change that was said once; it stays the same change while its place moves a little. */
struct store_alert {
    int64_t id, cell, hardware, metric, run, started;  /* run: the first at the new level */
    char uuid[40], from_commit[72], to_commit[72];     /* the last commit at the old level and the first at the new one */
    char severity[16], kind[8];
    double before, after, change, low, high, confidence;
    int64_t raised, runs_late, seconds_late;           /* time to detect: runs and seconds from that run to the verdict */
};

/* Adds it unless there is one of the same series whose run lies among `near` (keys of runs). *is_new tells. */
bool store_alert_add(struct store *store, struct store_alert *alert, const int64_t *near, size_t n_near, bool *is_new, struct fault *fault);
/* All alerts, newest last. */
bool store_alerts(struct store *store, bool (*each)(void *to, const struct store_alert *alert), void *to, struct fault *fault);

enum store_note { STORE_ACKNOWLEDGE, STORE_MUTE };
/* Acknowledges one alert, or mutes cells that match `pattern` until a time. */
bool store_note_add(struct store *store, enum store_note kind, int64_t alert, const char *pattern, const char *reason, int64_t until, struct fault *fault);
/* Whether the cell is muted at `now`; fills the reason (at most size - 1 bytes). */
bool store_muted(struct store *store, const char *cell, int64_t now, char *reason, size_t size, bool *muted, struct fault *fault);

/* How many points of the series the last judgement had seen, and to say that it has seen so many now. */
bool store_judged(struct store *store, const struct store_series *series, int64_t *points, struct fault *fault);
bool store_judged_set(struct store *store, const struct store_series *series, int64_t points, struct fault *fault);

/* Reads everything that is there (integrity_check); slow. EXIT_CODE_INVALID when something is damaged. */
bool store_check(struct store *store, struct fault *fault);

/* Several of the above in one transaction. */
bool store_begin(struct store *store, struct fault *fault);
bool store_commit(struct store *store, struct fault *fault);
void store_rollback(struct store *store);

#endif
