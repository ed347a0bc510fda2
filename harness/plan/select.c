/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/select.h"

#include "plan/cells.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether `text` is one of the comma-separated values of the list; marks nothing. */
static bool in_list(const char *list, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        if (length == n && memcmp(at, text, n) == 0)
            return true;
        at += length;
        if (!*at)
            return false;
    }
}

/* The cell's value of the axis that `rule` ("AXIS=V,V") names, as text (malloc'd), or NULL when it lacks the axis. */
static char *axis_text(const json_t *cell, const char *rule)
{
    char axis[128];
    snprintf(axis, sizeof axis, "%.*s", (int)strcspn(rule, "="), rule);
    const json_t *value = json_object_get(json_object_get(cell, "params"), axis);
    return value ? cells_value_text(value) : NULL;
}

static bool set_allows(const json_t *cell, const char *rule)
{
    char *text = axis_text(cell, rule);
    bool allowed = !text || in_list(strchr(rule, '=') + 1, text);
    free(text);
    return allowed;
}

/* Whether some cell has this value (length n) on the rule's axis; lists the values seen in `seen`. */
static bool value_exists(const json_t *cells, const char *rule, const char *value, size_t n, char *seen, size_t size)
{
    size_t i;
    json_t *cell;
    bool found = false;
    seen[0] = 0;
    json_array_foreach(cells, i, cell) {
        char *text = axis_text(cell, rule);
        if (text && strlen(text) == n && memcmp(text, value, n) == 0)
            found = true;
        size_t used = strlen(seen);
        if (text && used + strlen(text) + 2 < size && !in_list(seen, text))
            snprintf(seen + used, size - used, "%s%s", used ? "," : "", text);
        free(text);
    }
    return found;
}

static bool check_rule(const json_t *cells, const char *rule, struct fault *fault)
{
    const char *equals = strchr(rule, '=');
    if (!equals || equals == rule || !equals[1])
        return fault_set(fault, EXIT_CODE_USAGE, "--set: expected AXIS=VALUE,VALUE, found '%s'", rule);
    for (const char *at = equals + 1;; at++) {
        char seen[400];
        size_t n = strcspn(at, ",");
        if (!value_exists(cells, rule, at, n, seen, sizeof seen))
            return seen[0] ? fault_set(fault, EXIT_CODE_USAGE, "--set %s: expected values of the axis (%s), found '%.*s'", rule, seen, (int)n, at)
                           : fault_set(fault, EXIT_CODE_USAGE, "--set %s: no cell has the axis '%.*s'", rule, (int)(equals - rule), rule);
        at += n;
        if (!*at)
            return true;
    }
}

static bool has_tag(const json_t *cell, const char *tag)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(cell, "tags"), i, item)
        if (strcmp(json_string_value(item), tag) == 0)
            return true;
    return false;
}

static bool is_selected(const json_t *cell, const struct select_rule *rule, const regex_t *filter)
{
    if (filter && regexec(filter, json_string_value(json_object_get(cell, "id")), 0, NULL, 0) != 0)
        return false;
    for (size_t i = 0; i < rule->n_set; i++)
        if (!set_allows(cell, rule->set[i]))
            return false;
    return !rule->tag || has_tag(cell, rule->tag);
}

bool select_cells(json_t *cells, const struct select_rule *rule, struct fault *fault)
{
    regex_t filter;
    int error = rule->filter ? regcomp(&filter, rule->filter, REG_EXTENDED | REG_NOSUB) : 0;
    if (error) {
        char why[200];
        regerror(error, &filter, why, sizeof why);
        return fault_set(fault, EXIT_CODE_USAGE, "--filter: expected a POSIX extended expression, found '%.200s': %s", rule->filter, why);
    }
    bool ok = true;
    size_t i;
    json_t *cell;
    for (i = 0; ok && i < rule->n_set; i++)
        ok = check_rule(cells, rule->set[i], fault);
    for (i = 0; ok && (cell = json_array_get(cells, i)); i++)
        json_object_set_new(cell, "selected", json_boolean(is_selected(cell, rule, rule->filter ? &filter : NULL)));
    if (rule->filter)
        regfree(&filter);
    return ok;
}
