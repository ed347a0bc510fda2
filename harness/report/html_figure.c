/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html_figure.h"

#include "report/escape.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 120 };

/* One line of a data file as a row of a table; what gnuplot needs in quotes loses them. */
static void print_row(FILE *out, char *line, const char *cell)
{
    fputs("<tr>", out);
    for (char *field; (field = strsep(&line, "\t"));) {
        char *quote;
        while ((quote = strchr(field, '"')))
            memmove(quote, quote + 1, strlen(quote));
        fprintf(out, "<%s>", cell);
        escape_markup(out, field);
        fprintf(out, "</%.2s>", cell);
    }
    fputs("</tr>\n", out);
}

/* Lines "# …" begin a block with its own head. Returns the rows left out. */
static size_t print_rows(FILE *out, FILE *data)
{
    char *line = NULL;
    size_t room = 0, rows = 0, left = 0;
    bool is_open = false;
    for (ssize_t n; (n = getline(&line, &room, data)) > 0;) {
        line[strcspn(line, "\n")] = 0;
        if (!*line)
            continue;
        if (line[0] == '#' && line[1] == ' ') {
            fputs(is_open ? "</tbody></table>\n<table><thead>" : "<table><thead>", out);
            print_row(out, line + 2, "th scope=\"col\"");
            fputs("</thead><tbody>\n", out);
            is_open = true;
            rows = 0;
        } else if (rows++ < ROWS)
            print_row(out, line, "td");
        else
            left++;
    }
    fputs(is_open ? "</tbody></table>\n" : "", out);
    free(line);
    return left;
}

static void print_data(FILE *out, const char *dir, const char *file)
{
    char *path = NULL;
    FILE *data = asprintf(&path, "%s/data/%s.tsv", dir, file) < 0 ? NULL : fopen(path, "re");
    free(path);
    if (!data)
        return;
    fprintf(out, "<details><summary>The figures as a table</summary><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Figures of %s\">\n", file);
    size_t left = print_rows(out, data);
    fclose(data);
    if (left)
        fprintf(out, "<p>%zu more rows are in the file.</p>", left);
    fputs("</div></details>\n", out);
}

void html_figure(FILE *out, const char *dir, const struct picture_drawn *drawn)
{
    fprintf(out, "<figure id=\"%s\"><h3>", drawn->file);
    escape_markup(out, drawn->heading);
    fputs("</h3>\n", out);
    if (drawn->is_drawn) {
        fprintf(out, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Picture %s\"><picture><source srcset=\"%s-dark.svg\" media=\"screen and (prefers-color-scheme: dark)\">"
                     "<img src=\"%s.svg\" width=\"%d\" height=\"%d\" loading=\"lazy\" alt=\"", drawn->file, drawn->file, drawn->file, drawn->width, drawn->height);
        escape_markup(out, drawn->alt);
        fputs("\"></picture></div>\n", out);
    }
    fprintf(out, "<figcaption>%s", drawn->picture->about);
    fprintf(out, " <span class=\"links\"><a href=\"data/%s.tsv\">data</a> <a href=\"data/%s.gp\">script</a>", drawn->file, drawn->file);
    if (drawn->is_drawn)
        fprintf(out, " <a href=\"%s.png\">PNG</a>", drawn->file);
    fputs("</span></figcaption>\n", out);
    print_data(out, dir, drawn->file);
    fputs("</figure>\n", out);
}

void html_figures(FILE *out, const char *dir, const struct picture_drawn *drawn, size_t n, const char *why)
{
    fputs("<section aria-labelledby=\"pictures\"><h2 id=\"pictures\">Pictures</h2>\n", out);
    if (*why) {
        fputs("<p class=\"why\">Pictures are missing: ", out);
        escape_markup(out, why);
        fputs("</p>\n", out);
    }
    if (n == 0)
        fputs("<p>There is nothing more to draw.</p>\n", out);
    for (size_t i = 0; i < n; i++)
        html_figure(out, dir, &drawn[i]);
    fputs("</section>\n", out);
}
