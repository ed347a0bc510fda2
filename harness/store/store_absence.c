/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics that a machine could not read: one row a machine, metric and reason, however many cells and runs say it.
 */
#include "store/store_inner.h"

static const struct store_statement add_absence = {
    "INSERT INTO absence (hardware, metric, why, started) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", 4};
static const struct store_statement list_absences = {
    "SELECT h.key, a.why FROM absence AS a JOIN hardware AS h ON h.id = a.hardware WHERE a.metric = $1 ORDER BY h.key, a.started, a.why", 1};

bool store_absence_add(struct store *store, int64_t hardware, const char *metric, const char *why, int64_t started, struct fault *fault)
{
    const struct store_value parameters[] = {store_integer(hardware), store_text(metric), store_text(why), store_integer(started)};
    return STORE_RUN(store, &add_absence, parameters, NULL, NULL, fault);
}

struct telling {
    void (*tell)(void *to, const char *hardware_key, const char *why);
    void *to;
};

static bool take_absence(void *to, const struct store_value *c, size_t n)
{
    const struct telling *telling = to;
    char key[128] = "", why[256] = "";
    (void)n;
    store_copy_text(&c[0], key, sizeof key);
    store_copy_text(&c[1], why, sizeof why);
    telling->tell(telling->to, key, why);
    return true;
}

bool store_absences(struct store *store, const char *metric, void (*tell)(void *to, const char *hardware_key, const char *why), void *to, struct fault *fault)
{
    struct telling telling = {tell, to};
    const struct store_value parameters[] = {store_text(metric)};
    return STORE_RUN(store, &list_absences, parameters, take_absence, &telling, fault);
}
