/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of a report. A picture is a row of pictures.def, a file picture_<name>.c that writes its numbers, and a gnuplot
 * template reports/<name>.gp. A picture may exist several times (one per changed cell, one per shape).
 */
#ifndef REPORT_PICTURE_H
#define REPORT_PICTURE_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The results a report is made of; `main` (the last one) is the one whose cells are shown. */
struct picture_source {
    json_t *const *runs;
    size_t n_runs;
    const json_t *main;
    const struct sheet *sheets; /* operating curves of the gate; may be none */
    size_t n_sheets;
};

/*
 * What a picture is drawn from. `data`: rows of tab-separated numbers, names (by picture_name) in the last columns; the first
 * line is "# " and the names of the columns; blocks are two empty lines apart. `names`: one line each, T[1], T[2], … in the
 * template. `constants`: gnuplot lines NAME = number.
 */
struct picture_job {
    FILE *data, *names, *constants;
    int width, height;
    char heading[512];  /* what this one shows; may hold names, raw */
    char alt[512];      /* the same for who can't see it */
};

struct picture {
    const char *name;
    size_t most;
    const char *about;
    /* Fills the job for the index-th picture of this kind; false: there is none (left). */
    bool (*fill)(const struct picture_source *source, size_t index, struct picture_job *job);
};

extern const struct picture pictures[]; /* ended by a null name */

#define PICTURE(name, most, about) bool picture_##name(const struct picture_source *source, size_t index, struct picture_job *job);
#include "report/pictures.def"
#undef PICTURE

/* One that was drawn: files FILE.svg, FILE-dark.svg, FILE.png and data/FILE.tsv, data/FILE.gp. */
struct picture_drawn {
    const struct picture *picture;
    char file[64];
    char heading[512];
    char alt[512];
    int width, height;
    bool is_drawn; /* false: gnuplot is missing or failed; the data is there */
};

/*
 * Draws all pictures that `source` has something for into `dir` (which exists). *drawn is the caller's to free. False only when
 * files can't be written; a gnuplot that is missing or fails leaves is_drawn false and a sentence in `why`.
 */
bool picture_draw_all(const struct picture_source *source, const char *dir, struct picture_drawn **drawn, size_t *n, char why[512], struct fault *fault);

/* A name into the data or names file: quoted, harmless, at most `limit` characters. */
void picture_name(FILE *out, const char *name, size_t limit);

/* A scale that makes `largest` readable: factor and prefix ("", "k", "M", "G", "T"), or for ns the unit. */
struct picture_scale {
    double factor;
    const char *unit;
};
struct picture_scale picture_rate_scale(double largest);
struct picture_scale picture_time_scale(double largest_ns);

#endif
