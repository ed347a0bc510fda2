/* SPDX-License-Identifier: Apache-2.0 */
#include "history/import.h"

#include "history/foreign.h"
#include "history/spool.h"
#include "store/runfile.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE = 256 * 1024 * 1024 };

/* The whole of a regular file; the caller frees it. NULL with EXIT_CODE_USAGE. */
static char *read_file(const char *path, size_t *n, int64_t *modified, struct fault *fault)
{
    FILE *in = fopen(path, "re");
    struct stat st = {0};
    char *text = NULL;
    if (in && fstat(fileno(in), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_FILE) {
        text = malloc((size_t)st.st_size + 1);
        *n = text ? fread(text, 1, (size_t)st.st_size, in) : 0;
        *modified = (int64_t)st.st_mtim.tv_sec;
    } else
        fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, !in ? strerror(errno) : S_ISREG(st.st_mode) ? "larger than 256 MiB" : "not a file");
    if (in)
        fclose(in);
    return text;
}

/* A result of ours, or one made from another tool's. */
static json_t *load(const char *path, const struct options *options, struct fault *fault)
{
    struct foreign_about about = {.name = path, .commit = options->commit, .hardware = options->hardware};
    size_t n = 0;
    char *text = read_file(path, &n, &about.modified, fault);
    json_t *file = text ? runfile_read_json(text, n, path, fault) : NULL, *result = NULL;
    about.text = text;
    about.n = n;
    if (file && foreign_is_known(file))
        result = foreign_convert(file, &about, fault);
    else if (file)
        result = runfile_parse(text, n, path, fault);
    json_decref(file);
    free(text);
    return result;
}

struct importing {
    const struct options *options;
    struct store *store;  /* NULL: out of reach */
    char spool[PATH_MAX];
    struct store_counts counts;
    size_t waiting, refused;
};

static bool keep_waiting(struct importing *i, json_t *result, struct fault *fault)
{
    i->waiting++;
    return spool_add(i->spool, result, fault);
}

static bool import_one(struct importing *i, const char *path, struct fault *fault)
{
    json_t *result = load(path, i->options, fault);
    if (!result)
        return false;
    bool ok = i->store && store_import(i->store, result, &i->counts, fault);
    if (!ok && (!i->store || store_is_down(i->store))) {
        store_close(i->store);
        i->store = NULL;
        ok = keep_waiting(i, result, fault);
        if (ok && fault->text[0])
            fault->text[0] = '\0';
    }
    json_decref(result);
    return ok;
}

static void print_counts(const struct importing *i, bool json)
{
    if (json) {
        printf("{\"runs\":%zu,\"points\":%zu,\"known\":%zu,\"waiting\":%zu,\"refused\":%zu}\n", i->counts.runs, i->counts.points, i->counts.known, i->waiting, i->refused);
        return;
    }
    printf("%zu runs with %zu points imported, %zu were there already\n", i->counts.runs, i->counts.points, i->counts.known);
    if (i->waiting) {
        printf("the database is out of reach: %zu results wait in ", i->waiting);
        text_print(stdout, i->spool);
        puts(" for the next import");
    }
    if (i->refused)
        printf("%zu files that wait are damaged and were left there\n", i->refused);
}

/* Opens the store; a server that is out of reach leaves it NULL and says so on standard error. */
static bool open_or_spool(struct importing *i, const char *url, struct fault *fault)
{
    i->store = store_open(url, STORE_WRITE, fault);
    if (i->store)
        return spool_drain(i->spool, i->store, &i->counts, &i->refused, fault);
    if (strncmp(url, "postgres", 8) != 0 || fault->code != EXIT_CODE_USAGE)
        return false;
    fprintf(stderr, "ternmark: %s\n", fault->text);
    fault->text[0] = '\0';
    return true;
}

enum exit_code history_import(const struct options *options, const char *url, struct fault *fault)
{
    struct importing i = {.options = options};
    enum exit_code worst = EXIT_CODE_PASS;
    if (!spool_folder(i.spool, sizeof i.spool, fault) || !open_or_spool(&i, url, fault)) {
        store_close(i.store);
        return fault->code;
    }
    for (size_t k = 1; k < options->operands.n; k++) {
        struct fault one = {0};
        if (import_one(&i, options->operands.items[k], &one))
            continue;
        fprintf(stderr, "ternmark: ");
        text_print(stderr, one.text);
        fputc('\n', stderr);
        worst = exit_worst(worst, one.code);
    }
    print_counts(&i, options->json);
    store_close(i.store);
    return i.refused ? exit_worst(worst, EXIT_CODE_INVALID) : worst;
}
