/* SPDX-License-Identifier: Apache-2.0 */
#include "history/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool filter_time(const char *text, int64_t now, int64_t *seconds)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && !*end) {
        *seconds = (int64_t)timegm(&tm);
        return true;
    }
    char *unit;
    long long n = strtoll(text, &unit, 10);
    if (unit == text || n < 0 || n > 100000 || (strcmp(unit, "d") != 0 && strcmp(unit, "h") != 0))
        return false;
    *seconds = now - n * (*unit == 'd' ? 86400 : 3600);
    return true;
}

/* The name as an expression that matches it alone. */
static void as_expression(const char *name, char *out, size_t size)
{
    size_t at = 0;
    out[at++] = '^';
    for (; *name && at + 4 < size; name++) {
        if (strchr(".[]()*+?{}|^$\\", *name))
            out[at++] = '\\';
        out[at++] = *name;
    }
    out[at++] = '$';
    out[at] = '\0';
}

bool filter_of(const struct options *options, struct store_filter *filter, char metric[128], struct fault *fault)
{
    if (options->operands.n > 2)
        return fault_set(fault, EXIT_CODE_USAGE, "history: expected one expression on cell ids, found '%s' too", options->operands.items[2]);
    *filter = (struct store_filter){.cell = options->operands.n > 1 ? options->operands.items[1] : NULL, .hardware = options->hardware, .metric = metric};
    as_expression(options->metric, metric, 128);
    return !options->since || filter_time(options->since, (int64_t)time(NULL), &filter->since) ||
           fault_set(fault, EXIT_CODE_USAGE, "--since: expected 30d, 12h or YYYY-MM-DD, found '%s'", options->since);
}

const char *filter_date(int64_t seconds, char text[24])
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (!gmtime_r(&t, &tm) || !strftime(text, 24, "%Y-%m-%d %H:%M", &tm))
        snprintf(text, 24, "?");
    return text;
}
