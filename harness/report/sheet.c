/* SPDX-License-Identifier: Apache-2.0 */
#include "report/sheet.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "true_change,runs,red,low,high";
enum { ROWS_MOST = 10000 };

bool sheet_is_named(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".csv") == 0;
}

static bool parse_row(const char *line, struct sheet_row *row)
{
    double *const fields[] = {&row->true_change, &row->runs, &row->red, &row->low, &row->high};
    for (size_t i = 0; i < 5; i++) {
        char *end;
        *fields[i] = strtod(line, &end);
        if (end == line || !isfinite(*fields[i]) || *end != (i < 4 ? ',' : 0))
            return false;
        line = end + 1;
    }
    return row->true_change > -1 && row->runs >= 0 && row->low >= 0 && row->low <= row->red && row->red <= row->high && row->high <= 1;
}

static bool add_row(struct sheet *sheet, const char *line)
{
    struct sheet_row row, *more;
    if (sheet->n == ROWS_MOST || !parse_row(line, &row) || !(more = realloc(sheet->rows, (sheet->n + 1) * sizeof row)))
        return false;
    sheet->rows = more;
    sheet->rows[sheet->n++] = row;
    return true;
}

static int by_change(const void *left, const void *right)
{
    double a = ((const struct sheet_row *)left)->true_change, b = ((const struct sheet_row *)right)->true_change;
    return (a > b) - (a < b);
}

static bool read_rows(FILE *file, const char *path, struct sheet *sheet, struct fault *fault)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    bool ok = true;
    while (ok && getline(&line, &room, file) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (number++ == 0)
            ok = strcmp(line, header) == 0 || fault_set(fault, EXIT_CODE_USAGE, "%s:1: expected the header %s", path, header);
        else if (*line)
            ok = add_row(sheet, line) || fault_set(fault, EXIT_CODE_USAGE, "%s:%zu: expected five numbers: a change above -1, a count, shares low <= red <= high from 0 to 1", path, number);
    }
    free(line);
    return ok && (sheet->n > 0 || fault_set(fault, EXIT_CODE_USAGE, "%s: no rows", path));
}

bool sheet_load(const char *path, struct sheet *sheet, struct fault *fault)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    FILE *file = fopen(path, "re");
    *sheet = (struct sheet){0};
    if (!file)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    snprintf(sheet->name, sizeof sheet->name, "%.*s", (int)(strlen(name) - 4 < 60 ? strlen(name) - 4 : 60), name);
    bool ok = read_rows(file, path, sheet, fault);
    fclose(file);
    if (ok)
        qsort(sheet->rows, sheet->n, sizeof *sheet->rows, by_change);
    else
        sheet_clear(sheet);
    return ok;
}

void sheet_clear(struct sheet *sheet)
{
    free(sheet->rows);
    *sheet = (struct sheet){0};
}
