/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes that were said, and what people said to them. All of it is added, nothing changed: an acknowledgement is a note.
 */
#include "store/store_inner.h"

#include <regex.h>
#include <stdlib.h>
#include <time.h>

static const struct store_statement runs_alerted = {"SELECT run, id FROM alert WHERE cell = $1 AND hardware = $2 AND metric = $3", 3};
static const struct store_statement add_alert = {
    "INSERT INTO alert (cell, hardware, metric, run, kind, from_commit, to_commit, severity, level_before, level_after, change, low, high, confidence,"
    " raised, runs_late, seconds_late) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING", 17};
static const struct store_statement list_alerts = {
    "SELECT a.id, a.cell, a.hardware, a.metric, a.run, r.started, r.uuid, a.from_commit, a.to_commit, a.severity, a.kind, a.level_before, a.level_after, a.change,"
    " a.low, a.high, a.confidence, a.raised, a.runs_late, a.seconds_late FROM alert AS a JOIN run AS r ON r.id = a.run ORDER BY a.id", 0};
static const struct store_statement add_note = {
    "INSERT INTO note (kind, alert, pattern, reason, until, made) VALUES ($1, $2, $3, $4, $5, $6)", 6};
static const struct store_statement mutes = {"SELECT pattern, reason FROM note WHERE kind = 'mute' AND until > $1 ORDER BY id", 1};
static const struct store_statement get_judged = {"SELECT max(points) FROM judged WHERE cell = $1 AND hardware = $2 AND metric = $3", 3};
static const struct store_statement add_judged = {
    "INSERT INTO judged (cell, hardware, metric, points) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", 4};

struct nearby {
    const int64_t *runs;
    size_t n;
    int64_t id;
};

static bool take_nearby(void *to, const struct store_value *c, size_t n)
{
    struct nearby *near = to;
    (void)n;
    for (size_t i = 0; i < near->n; i++)
        if (near->runs[i] == c[0].integer)
            near->id = c[1].integer;
    return near->id < 0;
}

static bool find_nearby(struct store *store, const struct store_alert *a, struct nearby *near, struct fault *fault)
{
    const struct store_value series[] = {store_integer(a->cell), store_integer(a->hardware), store_integer(a->metric)};
    near->id = -1;
    return STORE_RUN(store, &runs_alerted, series, take_nearby, near, fault);
}

static bool insert_alert(struct store *store, const struct store_alert *a, struct fault *fault)
{
    const struct store_value parameters[] = {
        store_integer(a->cell), store_integer(a->hardware), store_integer(a->metric), store_integer(a->run), store_text(a->kind),
        store_text(*a->from_commit ? a->from_commit : NULL), store_text(*a->to_commit ? a->to_commit : NULL), store_text(a->severity),
        store_real(a->before), store_real(a->after), store_real(a->change), store_real(a->low), store_real(a->high), store_real(a->confidence),
        store_integer(a->raised), store_integer(a->runs_late), store_integer(a->seconds_late)};
    return STORE_RUN(store, &add_alert, parameters, NULL, NULL, fault);
}

bool store_alert_add(struct store *store, struct store_alert *alert, const int64_t *near, size_t n_near, bool *is_new, struct fault *fault)
{
    struct nearby around = {near, n_near, -1}, itself = {&alert->run, 1, -1};
    if (!find_nearby(store, alert, &around, fault))
        return false;
    *is_new = around.id < 0;
    if (*is_new && (!insert_alert(store, alert, fault) || !find_nearby(store, alert, &itself, fault)))
        return false;
    alert->id = *is_new ? itself.id : around.id;
    return true;
}

struct each_alert {
    bool (*each)(void *to, const struct store_alert *alert);
    void *to;
};

static bool take_alert(void *to, const struct store_value *c, size_t n)
{
    struct each_alert *e = to;
    (void)n;
    struct store_alert a = {.id = c[0].integer, .cell = c[1].integer, .hardware = c[2].integer, .metric = c[3].integer, .run = c[4].integer, .started = c[5].integer,
                            .before = c[11].real, .after = c[12].real, .change = c[13].real, .low = c[14].real, .high = c[15].real, .confidence = c[16].real,
                            .raised = c[17].integer, .runs_late = c[18].integer, .seconds_late = c[19].integer};
    store_copy_text(&c[6], a.uuid, sizeof a.uuid);
    store_copy_text(&c[7], a.from_commit, sizeof a.from_commit);
    store_copy_text(&c[8], a.to_commit, sizeof a.to_commit);
    store_copy_text(&c[9], a.severity, sizeof a.severity);
    store_copy_text(&c[10], a.kind, sizeof a.kind);
    return e->each(e->to, &a);
}

bool store_alerts(struct store *store, bool (*each)(void *to, const struct store_alert *alert), void *to, struct fault *fault)
{
    struct each_alert e = {each, to};
    return STORE_RUN(store, &list_alerts, NULL, take_alert, &e, fault);
}

bool store_note_add(struct store *store, enum store_note kind, int64_t alert, const char *pattern, const char *reason, int64_t until, struct fault *fault)
{
    const struct store_value parameters[] = {store_text(kind == STORE_MUTE ? "mute" : "acknowledge"), kind == STORE_MUTE ? (struct store_value){.kind = STORE_NULL} : store_integer(alert),
                                             store_text(pattern), store_text(reason), store_integer(until), store_integer((int64_t)time(NULL))};
    return STORE_RUN(store, &add_note, parameters, NULL, NULL, fault);
}

struct muting {
    const char *cell;
    char *reason;
    size_t size;
    bool is_muted;
};

static bool take_mute(void *to, const struct store_value *c, size_t n)
{
    struct muting *m = to;
    regex_t regex;
    (void)n;
    if (c[0].kind != STORE_TEXT || regcomp(&regex, c[0].bytes, REG_EXTENDED | REG_NOSUB) != 0)
        return true;
    m->is_muted = regexec(&regex, m->cell, 0, NULL, 0) == 0;
    regfree(&regex);
    if (m->is_muted)
        store_copy_text(&c[1], m->reason, m->size);
    return !m->is_muted;
}

bool store_muted(struct store *store, const char *cell, int64_t now, char *reason, size_t size, bool *muted, struct fault *fault)
{
    struct muting m = {cell, reason, size, false};
    const struct store_value parameters[] = {store_integer(now)};
    bool ok = STORE_RUN(store, &mutes, parameters, take_mute, &m, fault);
    *muted = m.is_muted;
    return ok;
}

bool store_judged(struct store *store, const struct store_series *series, int64_t *points, struct fault *fault)
{
    const struct store_value parameters[] = {store_integer(series->cell), store_integer(series->hardware), store_integer(series->metric)};
    *points = 0;
    return STORE_RUN(store, &get_judged, parameters, store_take_integer, points, fault);
}

bool store_judged_set(struct store *store, const struct store_series *series, int64_t points, struct fault *fault)
{
    const struct store_value parameters[] = {store_integer(series->cell), store_integer(series->hardware), store_integer(series->metric), store_integer(points)};
    return STORE_RUN(store, &add_judged, parameters, NULL, NULL, fault);
}
