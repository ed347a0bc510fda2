/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/rounds.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "cell,process,round,lane,ns";
enum { N_FIELDS = 5 };
enum { FIELD_CELL, FIELD_PROCESS, FIELD_ROUND, FIELD_LANE, FIELD_NS };

/* Where reading stands: the round that is being put together, and the row it is in. */
struct reader {
    const char *path;
    size_t line;
    struct rounds *rounds;
    struct decide_round round;
    struct rounds_cell *cell;
    size_t n_lanes;         /* of the round so far; 0: none is open */
    struct fault *fault;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *r, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fault_set(r->fault, EXIT_CODE_USAGE, "%s:%zu: %s", r->path, r->line, text);
}

/* Takes the quotes off a field that begins with one, in place; NULL: it does not close. Returns what follows the field. */
static char *unquote(char *at, char **field)
{
    char *to = *field = at;
    for (at++; *at; at++) {
        if (*at == '"' && at[1] != '"') {
            *to = 0;
            return at + 1;
        }
        at += *at == '"';
        *to++ = *at;
    }
    return NULL;
}

static bool split(struct reader *r, char *line, char **fields)
{
    char *at = line;
    for (size_t i = 0; i < N_FIELDS; i++) {
        char *end;
        if (*at == '"') {
            end = unquote(at, &fields[i]);
            if (!end)
                return refuse(r, "a quoted field does not end");
        } else {
            fields[i] = at;
            end = at + strcspn(at, ",");
        }
        bool is_last = i + 1 == N_FIELDS;
        if (*end != (is_last ? 0 : ','))
            return refuse(r, "expected %d fields (%s)", N_FIELDS, header);
        *end = 0;
        at = end + 1;
    }
    return true;
}

static bool parse_whole(struct reader *r, const char *what, const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return refuse(r, "%s: expected a whole number from 0, found '%.60s'", what, text);
    *value = number;
    return true;
}

static bool parse_lane(struct reader *r, const char *text, enum lane *lane)
{
    for (size_t i = 0; i < N_LANES; i++)
        if (strcmp(text, lane_name((enum lane)i)) == 0) {
            *lane = (enum lane)i;
            return true;
        }
    return refuse(r, "lane: expected base, base2 or head, found '%.60s'", text);
}

static bool parse_ns(struct reader *r, const char *text, double *ns)
{
    char *end;
    *ns = strtod(text, &end);
    bool is_number = (text[0] >= '0' && text[0] <= '9') || text[0] == '.';
    if (!is_number || *end || !isnormal(*ns) || strpbrk(text, "xX"))
        return refuse(r, "ns: expected a time above 0, found '%.60s'", text);
    return true;
}

static bool cell_of(struct reader *r, const char *name, struct rounds_cell **cell)
{
    struct rounds *all = r->rounds;
    if (!name[0])
        return refuse(r, "cell: expected a name, found nothing");
    for (size_t i = all->n; i-- > 0;)
        if (strcmp(all->cells[i].name, name) == 0) {
            *cell = &all->cells[i];
            return true;
        }
    if (all->n == all->room) {
        all->room = all->room ? 2 * all->room : 64;
        struct rounds_cell *bigger = realloc(all->cells, all->room * sizeof *bigger);
        if (!bigger)
            return refuse(r, "out of memory");
        all->cells = bigger;
    }
    char *copy = strdup(name);
    if (!copy)
        return refuse(r, "out of memory");
    all->cells[all->n] = (struct rounds_cell){.name = copy};
    *cell = &all->cells[all->n++];
    return true;
}

/* Numbers grow within a process of a cell, so that no round is counted twice. */
static bool follows(struct reader *r, const struct rounds_cell *cell, int64_t process, int64_t number)
{
    for (size_t i = cell->n; i-- > 0;)
        if (cell->rounds[i].generation == process)
            return number > cell->rounds[i].round ||
                   refuse(r, "round %" PRId64 " does not come after round %" PRId64 " of process %" PRId64, number, cell->rounds[i].round, process);
    return true;
}

static bool close_round(struct reader *r)
{
    struct rounds_cell *cell = r->cell;
    if (cell->n == cell->room) {
        cell->room = cell->room ? 2 * cell->room : 64;
        struct decide_round *bigger = realloc(cell->rounds, cell->room * sizeof *bigger);
        if (!bigger)
            return refuse(r, "out of memory");
        cell->rounds = bigger;
    }
    cell->rounds[cell->n++] = r->round;
    r->n_lanes = 0;
    return true;
}

static bool add_turn(struct reader *r, struct rounds_cell *cell, int64_t process, int64_t number, enum lane lane, double ns)
{
    bool is_same = r->cell == cell && r->round.generation == process && r->round.round == number;
    if (r->n_lanes > 0 && !is_same)
        return refuse(r, "the round before this row has %zu of 3 lanes", r->n_lanes);
    if (r->n_lanes == 0) {
        if (!follows(r, cell, process, number))
            return false;
        r->cell = cell;
        r->round = (struct decide_round){.generation = process, .round = number};
    }
    for (size_t i = 0; i < r->n_lanes; i++)
        if (r->round.order[i] == lane)
            return refuse(r, "lane %s twice in a round", lane_name(lane));
    r->round.order[r->n_lanes++] = lane;
    r->round.ns[lane] = ns;
    return r->n_lanes < N_LANES || close_round(r);
}

static bool read_row(struct reader *r, char *line)
{
    char *fields[N_FIELDS];
    struct rounds_cell *cell = NULL;
    int64_t process = 0, number = 0;
    enum lane lane = LANE_BASE;
    double ns = 0;
    return split(r, line, fields) && parse_whole(r, "process", fields[FIELD_PROCESS], &process) &&
           parse_whole(r, "round", fields[FIELD_ROUND], &number) && parse_lane(r, fields[FIELD_LANE], &lane) &&
           parse_ns(r, fields[FIELD_NS], &ns) && cell_of(r, fields[FIELD_CELL], &cell) &&
           add_turn(r, cell, process, number, lane, ns);
}

/* Takes the line's end off; a NUL inside would hide the rest. */
static bool trim(struct reader *r, char *line, size_t n)
{
    if (memchr(line, 0, n))
        return refuse(r, "a NUL byte");
    if (n && line[n - 1] == '\n')
        line[--n] = 0;
    if (n && line[n - 1] == '\r')
        line[--n] = 0;
    return true;
}

static bool read_all(struct reader *r, FILE *in)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    bool ok = true;
    while (ok && (n = getline(&line, &size, in)) != -1) {
        r->line++;
        ok = trim(r, line, (size_t)n);
        if (ok && r->line == 1)
            ok = strcmp(line, header) == 0 || refuse(r, "expected the header %s", header);
        else if (ok)
            ok = read_row(r, line);
    }
    free(line);
    if (ok && r->line == 0)
        ok = refuse(r, "expected the header %s, found an empty file", header);
    if (ok && r->n_lanes > 0)
        ok = refuse(r, "the file ends within a round: %zu of 3 lanes", r->n_lanes);
    return ok && (!ferror(in) || refuse(r, "cannot read: %s", strerror(errno)));
}

bool rounds_load(const char *path, struct rounds *rounds, struct fault *fault)
{
    *rounds = (struct rounds){0};
    FILE *in = fopen(path, "re");
    if (!in)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    struct reader reader = {.path = path, .rounds = rounds, .fault = fault};
    bool ok = read_all(&reader, in);
    fclose(in);
    if (!ok)
        rounds_clear(rounds);
    return ok;
}

void rounds_clear(struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->n; i++) {
        free(rounds->cells[i].name);
        free(rounds->cells[i].rounds);
    }
    free(rounds->cells);
    *rounds = (struct rounds){0};
}

bool rounds_join(struct rounds *to, struct rounds *from)
{
    size_t n = to->n + from->n;
    struct rounds_cell *bigger = realloc(to->cells, (n ? n : 1) * sizeof *bigger);
    if (!bigger) {
        rounds_clear(from);
        return false;
    }
    to->cells = bigger;
    if (from->n)
        memcpy(bigger + to->n, from->cells, from->n * sizeof *bigger);
    to->n = to->room = n;
    free(from->cells);
    *from = (struct rounds){0};
    return true;
}

bool rounds_print_header(FILE *out)
{
    fprintf(out, "%s\n", header);
    return !ferror(out);
}

static void print_name(FILE *out, const char *name)
{
    if (!strpbrk(name, ",\"\r\n")) {
        fputs(name, out);
        return;
    }
    fputc('"', out);
    for (; *name; name++) {
        if (*name == '"')
            fputc('"', out);
        fputc(*name, out);
    }
    fputc('"', out);
}

bool rounds_print(FILE *out, const char *cell, const struct decide_round *round)
{
    for (size_t i = 0; i < N_LANES; i++) {
        print_name(out, cell);
        fprintf(out, ",%" PRId64 ",%" PRId64 ",%s,%.9g\n", round->generation, round->round, lane_name(round->order[i]),
                round->ns[round->order[i]]);
    }
    return !ferror(out);
}
