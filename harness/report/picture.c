/* SPDX-License-Identifier: Apache-2.0 */
#include "report/picture.h"

#include "report/escape.h"
#include "report/gnuplot.h"
#include "report/templates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct picture pictures[] = {
#define PICTURE(name, most, about) {#name, most, about, picture_##name},
#include "report/pictures.def"
#undef PICTURE
    {0},
};

void picture_name(FILE *out, const char *name, size_t limit)
{
    fputc('"', out);
    escape_gnuplot(out, *name ? name : "(empty)", limit);
    fputc('"', out);
}

struct picture_scale picture_rate_scale(double largest)
{
    static const struct picture_scale rows[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
    size_t i = 0;
    while (i < 4 && largest < rows[i].factor)
        i++;
    return rows[i];
}

struct picture_scale picture_time_scale(double largest_ns)
{
    static const struct picture_scale rows[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
    size_t i = 0;
    while (i < 3 && largest_ns < rows[i].factor)
        i++;
    return rows[i];
}


static FILE *open_in(const char *dir, const char *name, struct fault *fault)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        return NULL;
    unlink(path); /* never write through a link that lies there */
    FILE *file = fopen(path, "wxe");
    if (!file)
        fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    free(path);
    return file;
}

static bool write_script(const char *dir, const struct picture_drawn *drawn, const char *constants, struct fault *fault)
{
    char name[128];
    snprintf(name, sizeof name, "data/%s.gp", drawn->file);
    FILE *out = open_in(dir, name, fault);
    if (!out)
        return false;
    char template[64];
    snprintf(template, sizeof template, "%s.gp", drawn->picture->name);
    fprintf(out, "# Draw again, in the folder above: gnuplot -d data/%s.gp\nNAME = \"%s\"\nWIDTH = %d\nHEIGHT = %d\n%s", drawn->file, drawn->file, drawn->width, drawn->height, constants);
    for (int variant = 0; variant < 3; variant++)
        fprintf(out, "\nvariant = %d\n%s\n%s\n", variant, template_text("style.gp"), template_text(template));
    return fclose(out) == 0;
}

static bool open_job(const char *dir, const char *file, struct picture_job *job, char **constants, size_t *size, struct fault *fault)
{
    char name[128];
    snprintf(name, sizeof name, "data/%s.tsv", file);
    job->data = open_in(dir, name, fault);
    snprintf(name, sizeof name, "data/%s.names", file);
    job->names = job->data ? open_in(dir, name, fault) : NULL;
    job->constants = job->names ? open_memstream(constants, size) : NULL;
    return job->constants != NULL;
}

static bool close_job(struct picture_job *job)
{
    bool ok = true;
    FILE *const files[] = {job->data, job->names, job->constants};
    for (size_t i = 0; i < 3; i++)
        ok = (!files[i] || fclose(files[i]) == 0) && ok;
    return ok;
}

static void remove_data(const char *dir, const char *file)
{
    static const char *const ends[] = {"tsv", "names"};
    for (size_t i = 0; i < 2; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/data/%s.%s", dir, file, ends[i]) >= 0)
            unlink(path);
        free(path);
    }
}

enum outcome { DRAWN, NONE_LEFT, FAILED };

static enum outcome draw(const struct picture_source *source, size_t index, const char *dir, struct picture_drawn *drawn, char why[512], struct fault *fault)
{
    struct picture_job job = {.width = 960, .height = 480};
    char *constants = NULL, log[96];
    size_t size = 0;
    bool ok = open_job(dir, drawn->file, &job, &constants, &size, fault);
    bool some = ok && drawn->picture->fill(source, index, &job);
    ok = close_job(&job) && ok;
    memcpy(drawn->heading, job.heading, sizeof job.heading);
    memcpy(drawn->alt, job.alt, sizeof job.alt);
    drawn->width = job.width;
    drawn->height = job.height;
    if (ok && some)
        ok = write_script(dir, drawn, constants, fault);
    free(constants);
    if (!ok || !some) {
        remove_data(dir, drawn->file);
        return ok ? NONE_LEFT : FAILED;
    }
    struct fault said = {0};
    snprintf(log, sizeof log, "data/%s.gp", drawn->file);
    drawn->is_drawn = gnuplot_run(dir, log, "data/gnuplot.log", &said);
    if (!drawn->is_drawn)
        snprintf(why, 512, "%.500s", said.text);
    return DRAWN;
}

bool picture_draw_all(const struct picture_source *source, const char *dir, struct picture_drawn **drawn, size_t *n, char why[512], struct fault *fault)
{
    char *data = NULL;
    *drawn = NULL;
    *n = 0;
    if (asprintf(&data, "%s/data", dir) < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", dir);
    bool ok = mkdir(data, 0777) == 0 || errno == EEXIST;
    if (!ok)
        fault_set(fault, EXIT_CODE_USAGE, "%s: %s", data, strerror(errno));
    free(data);
    for (const struct picture *picture = pictures; ok && picture->name; picture++) {
        enum outcome outcome = DRAWN;
        for (size_t i = 0; i < picture->most && outcome == DRAWN; i++) {
            struct picture_drawn *more = realloc(*drawn, (*n + 1) * sizeof *more);
            if (!more)
                return fault_set(fault, EXIT_CODE_USAGE, "%s: out of memory", dir);
            *drawn = more;
            more[*n] = (struct picture_drawn){.picture = picture};
            snprintf(more[*n].file, sizeof more[*n].file, "%s-%02zu", picture->name, i + 1);
            outcome = draw(source, i, dir, &more[*n], why, fault);
            *n += outcome == DRAWN;
        }
        ok = outcome != FAILED;
    }
    return ok;
}
