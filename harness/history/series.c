/* SPDX-License-Identifier: Apache-2.0 */
#include "history/series.h"

#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 3, SHOWN = 64 };
static const char *const header[MAX_FIELDS] = {"series", "index", "value"};

static bool grow(void *items, size_t *room, size_t size)
{
    size_t more = *room ? 2 * *room : 16;
    void **at = items, *bigger = reallocarray(*at, more, size);
    if (!bigger)
        return false;
    *at = bigger;
    *room = more;
    return true;
}

/* The series of that name, or NULL; most lines belong to the series of the line before. */
static struct series *find(const struct series_set *set, const char *name)
{
    if (set->n && strcmp(set->items[set->n - 1].name, name) == 0)
        return &set->items[set->n - 1];
    const json_t *known = json_object_get(set->by_name, name);
    return known ? &set->items[json_integer_value(known)] : NULL;
}

/* The series of that name, made when new; NULL when memory runs out or the name is not UTF-8. */
static struct series *find_or_add(struct series_set *set, const char *name)
{
    if (!set->by_name && !(set->by_name = json_object()))
        return NULL;
    struct series *known = find(set, name);
    if (known)
        return known;
    if (set->n == set->room && !grow(&set->items, &set->room, sizeof *set->items))
        return NULL;
    char *copy = strdup(name);
    if (!copy || json_object_set_new(set->by_name, name, json_integer((json_int_t)set->n)) != 0) {
        free(copy);
        return NULL;
    }
    set->items[set->n] = (struct series){.name = copy};
    return &set->items[set->n++];
}

static bool series_push(struct series *s, int64_t index, double value)
{
    if (s->n == s->room) {
        size_t room = s->room;
        if (!grow(&s->index, &room, sizeof *s->index))
            return false;
        room = s->room;
        if (!grow(&s->value, &room, sizeof *s->value))
            return false;
        s->room = room;
    }
    s->index[s->n] = index;
    s->value[s->n++] = value;
    return true;
}

bool series_add(struct series_set *set, const char *name, int64_t index, double value)
{
    struct series *s = find_or_add(set, name);
    return s && series_push(s, index, value);
}

void series_clear(struct series_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->items[i].name);
        free(set->items[i].index);
        free(set->items[i].value);
    }
    free(set->items);
    if (set->by_name)
        json_decref(set->by_name);
    *set = (struct series_set){0};
}

struct place {
    const char *path;
    size_t line;
};

static bool wrong(const struct place *at, struct fault *fault, const char *expected, const char *found)
{
    char shown[SHOWN];
    return fault_set(fault, EXIT_CODE_USAGE, "%s:%zu: expected %s, found '%s'", at->path, at->line, expected, text_escape(found, shown, sizeof shown));
}

/* Ends the quoted field that begins after `from`, undoubling quotes in place; NULL when it is not closed. */
static char *close_quotes(char *from)
{
    char *to = from;
    for (char *at = from; *at; at++) {
        if (*at == '"' && *++at != '"') {
            *to = '\0';
            return at;
        }
        *to++ = *at;
    }
    return NULL;
}

/* Splits a line at its commas, in place. Returns the number of fields, MAX_FIELDS + 1 for more, 0 for bad quotes. */
static size_t split(char *line, char **fields)
{
    size_t n = 0;
    for (char *at = line;;) {
        bool is_quoted = *at == '"';
        char *begin = is_quoted ? at + 1 : at, *end = is_quoted ? close_quotes(begin) : at + strcspn(at, ",");
        if (!end || (*end && *end != ','))
            return 0;
        if (n == MAX_FIELDS)
            return MAX_FIELDS + 1;
        fields[n++] = begin;
        if (!*end)
            return n;
        *end = '\0';
        at = end + 1;
    }
}

static bool parse_index(const char *text, int64_t *index)
{
    char *end;
    errno = 0;
    *index = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 && strspn(text, "+-0123456789") == strlen(text);
}

static bool parse_value(const char *text, double *value)
{
    char *end;
    *value = NAN;
    if (!*text)
        return true;
    *value = strtod(text, &end);
    return !*end && isfinite(*value) && strspn(text, "+-.eE0123456789") == strlen(text);
}

static bool take_point(struct series_set *set, char **fields, const struct place *at, struct fault *fault)
{
    int64_t index;
    double value;
    if (!parse_index(fields[1], &index))
        return wrong(at, fault, "a whole number as index", fields[1]);
    if (!parse_value(fields[2], &value))
        return wrong(at, fault, "a finite number as value, or nothing for a gap", fields[2]);
    const struct series *known = find(set, fields[0]);
    if (known && known->index[known->n - 1] >= index)
        return wrong(at, fault, "an index above the one before in its series", fields[1]);
    return series_add(set, fields[0], index, value) || wrong(at, fault, "a series name in UTF-8", fields[0]);
}

static bool take_line(struct series_set *set, char *line, const struct place *at, struct fault *fault)
{
    char *fields[MAX_FIELDS];
    size_t n = split(line, fields);
    if (n == 0)
        return wrong(at, fault, "quotes that open a field and close it", line);
    if (n != MAX_FIELDS)
        return wrong(at, fault, "three fields: series,index,value", n < MAX_FIELDS ? "fewer" : "more");
    if (at->line > 1)
        return take_point(set, fields, at, fault);
    for (size_t i = 0; i < MAX_FIELDS; i++)
        if (strcmp(fields[i], header[i]) != 0)
            return wrong(at, fault, "the header series,index,value", fields[i]);
    return true;
}

/* Takes the end of the line off; false when it holds a NUL byte. */
static bool trim(char *line, size_t length)
{
    if (memchr(line, '\0', length))
        return false;
    if (length && line[length - 1] == '\n')
        line[--length] = '\0';
    if (length && line[length - 1] == '\r')
        line[--length] = '\0';
    return true;
}

static bool read_lines(FILE *in, struct series_set *set, struct place *at, struct fault *fault)
{
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    for (ssize_t length; ok && (length = getline(&line, &room, in)) >= 0;) {
        at->line++;
        ok = trim(line, (size_t)length) ? !*line || take_line(set, line, at, fault) : wrong(at, fault, "text", "a NUL byte");
    }
    free(line);
    if (ok && ferror(in))
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", at->path, strerror(errno));
    if (ok && at->line == 0)
        return wrong(&(struct place){at->path, 1}, fault, "the header series,index,value", "");
    return ok;
}

bool series_read_csv(const char *path, struct series_set *set, struct fault *fault)
{
    struct place at = {path, 0};
    FILE *in = fopen(path, "re");
    *set = (struct series_set){.by_name = json_object()};
    if (!in)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    bool ok = read_lines(in, set, &at, fault);
    fclose(in);
    if (!ok)
        series_clear(set);
    return ok;
}

void series_print_field(FILE *out, const char *text)
{
    bool is_formula = *text && strchr("=+-@\t\r", *text);
    if (!is_formula && !text[strcspn(text, "\",\n\r")]) {
        fputs(text, out);
        return;
    }
    fputs(is_formula ? "\"'" : "\"", out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}
