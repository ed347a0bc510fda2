/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/callgrind.h"

#include "measure/interrupt.h"
#include "probe/cpuset.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Instructions that a counted call should have: beside them what differs from call to call in the first lines is nothing. */
static const double wanted_instructions = 2e6;
enum { MOST_ITERATIONS = 64, FIRST_TURNS = 2, MOST_ROUNDS = 5, EVENTS_ROOM = 512 };
static const double slower = 60;      /* than without valgrind, for the time limit of a call */
static const double end_ns = 20e9;    /* to write what was counted */

/* One count under way. */
struct count {
    const struct callgrind *request;
    char folder[32], file[64];
    struct worker *worker;
    unsigned parts;       /* written so far: one a call of the body */
};

static json_t *absent(const char *why)
{
    return json_pack("{s:s}", "absent", why);
}

/* ---- what callgrind wrote */

/* "word word …" of `names` with the numbers of `values`, one after the other. */
static json_t *pair_up(char *names, char *values)
{
    json_t *counts = json_object();
    char *at_name, *at_value, *name = strtok_r(names, " \n", &at_name), *value = strtok_r(values, " \n", &at_value);
    for (; name && value; name = strtok_r(NULL, " \n", &at_name), value = strtok_r(NULL, " \n", &at_value))
        json_object_set_new(counts, name, json_integer(strtoll(value, NULL, 10)));
    for (; name; name = strtok_r(NULL, " \n", &at_name))
        json_object_set_new(counts, name, json_integer(0));  /* trailing zeros are not written */
    return counts;
}

json_t *callgrind_read(const char *path)
{
    char line[4096], events[EVENTS_ROOM] = "", totals[EVENTS_ROOM] = "";
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in)) {
        if (strncmp(line, "events: ", 8) == 0)
            snprintf(events, sizeof events, "%.500s", line + 8);
        if (strncmp(line, "totals: ", 8) == 0)
            snprintf(totals, sizeof totals, "%.500s", line + 8);
    }
    if (in)
        fclose(in);
    return *events && *totals ? pair_up(events, totals) : NULL;
}

static json_t *read_part(const struct count *count)
{
    char path[96];
    snprintf(path, sizeof path, "%s.%u", count->file, count->parts);
    return callgrind_read(path);
}

/* ---- running */

static bool is_installed(void)
{
    const char *folders = getenv("PATH");
    char path[4096];
    while (folders && *folders) {
        size_t n = strcspn(folders, ":");
        snprintf(path, sizeof path, "%.*s/valgrind", (int)n, folders);
        if (access(path, X_OK) == 0)
            return true;
        folders += n + (folders[n] == ':');
    }
    return false;
}

static bool start(struct count *count, struct fault *fault)
{
    char out[96], cpu[16];
    const char *wrap[] = {"taskset", "-c", cpu, "valgrind", "--tool=callgrind", out, "--collect-atstart=no", "--toggle-collect=turn_body",
                          "--dump-after=turn_body", count->request->caches ? "--cache-sim=yes" : "--cache-sim=no",
                          count->request->caches ? "--branch-sim=yes" : "--branch-sim=no", NULL};
    struct worker_start start = *count->request->start;
    snprintf(count->file, sizeof count->file, "%s/part", count->folder);
    snprintf(out, sizeof out, "--callgrind-out-file=%s", count->file);
    start.cpu = cpuset_quietest();
    snprintf(cpu, sizeof cpu, "%d", start.cpu < 0 ? 0 : start.cpu);
    start.suite = json_string_value(json_object_get(count->request->cell, "file"));
    start.memory_bytes = 0;
    start.timeout_ns *= slower;
    start.wrap = wrap;
    count->worker = worker_start(&start, fault);
    return count->worker != NULL;
}

/* One call of the body; *counts: what it counted, a new object. */
static bool call(struct count *count, uint64_t iterations, json_t **counts, struct fault *fault)
{
    double ns;
    const struct worker_turn turn = {.verb = WORKER_VERB_TURN, .iterations = iterations, .samples = 1};
    if (interrupt_asked())
        return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
    if (!worker_turn(count->worker, &turn, &ns, NULL, fault))
        return false;
    count->parts++;
    *counts = read_part(count);
    return *counts || fault_set(fault, EXIT_CODE_FAILED, "callgrind wrote no counts of it");
}

static int threads_of(int pid)
{
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    struct dirent *entry;
    while (tasks && (entry = readdir(tasks)))
        n += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

static json_t *per_iteration(const json_t *once, const json_t *twice, double n)
{
    json_t *counts = json_object(), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)twice, name, value)
        json_object_set_new(counts, name, json_real((json_number_value(value) - json_number_value(json_object_get(once, name))) / n));
    return counts;
}

/* Calls of n and of 2n iterations, one after the other; of several rounds the least counts. */
struct round {
    json_t *once, *twice;
};

static void round_free(struct round *round)
{
    json_decref(round->once);
    json_decref(round->twice);
}

static double instructions(const json_t *counts)
{
    return json_number_value(json_object_get(counts, "Ir"));
}

/* Keeps the lesser of both, the later of equal ones; takes `counts`. Whether they are equal. */
static bool keep_least(json_t **least, json_t *counts)
{
    double kept = *least ? instructions(*least) : INFINITY, now = instructions(counts);
    json_decref(now <= kept ? *least : counts);
    if (now <= kept)
        *least = counts;
    return now == kept;
}

/* Rounds until one counts the least of those before it: a trace that is compiled, a collection or a first page adds to one call alone. */
static bool count_rounds(struct count *count, uint64_t n, struct round *least, struct fault *fault)
{
    bool same = false;
    for (int i = 0; !same && i < MOST_ROUNDS; i++) {
        struct round now = {0};
        if (!call(count, n, &now.once, fault) || !call(count, 2 * n, &now.twice, fault)) {
            round_free(&now);
            return false;
        }
        same = keep_least(&least->once, now.once);
        same = keep_least(&least->twice, now.twice) && same;
    }
    return true;
}

/* The open cell's body: one iteration, to choose how many, and then rounds of them. */
static json_t *measure(struct count *count, struct fault *fault)
{
    json_t *first = NULL, *result = NULL;
    struct round least = {0};
    bool ok = true;
    for (int i = 0; ok && i < FIRST_TURNS; i++) {
        json_decref(first);
        first = NULL;
        ok = call(count, 1, &first, fault);
    }
    double each = instructions(first);
    uint64_t n = each < wanted_instructions / MOST_ITERATIONS ? MOST_ITERATIONS : each > wanted_instructions ? 1 : (uint64_t)(wanted_instructions / each);
    ok = ok && count_rounds(count, n, &least, fault);
    if (ok && threads_of(worker_pid(count->worker)) > 1)
        result = absent("its threads wait for each other: their counts depend on the scheduler");
    else if (ok)
        result = json_pack("{s:I,s:o}", "iterations", (json_int_t)n, "counts", per_iteration(least.once, least.twice, (double)n));
    json_decref(first);
    round_free(&least);
    return result;
}

/* Why the cell as it was opened under the counter is not the one that was timed; NULL: it is. New object. */
static json_t *unlike(const struct count *count, const json_t *info)
{
    const char *kind = json_string_value(json_object_get(info, "kind")), *ran = json_string_value(json_object_get(info, "backend"));
    const char *timed = count->request->backend;
    if (strcmp(kind, "command") == 0)
        return absent("a command runs outside of the counter");
    if (timed && (!ran || strcmp(ran, timed) != 0))
        return json_pack("{s:o}", "absent", json_sprintf("under valgrind the backend is %s, not %s", ran ? ran : "another", timed));
    return NULL;
}

static json_t *run(struct count *count, struct fault *fault)
{
    json_t *info = NULL, *result = NULL;
    if (!start(count, fault) ||
        !worker_open(count->worker, json_string_value(json_object_get(count->request->cell, "bench")), json_object_get(count->request->cell, "params"), &info, fault))
        return NULL;
    result = unlike(count, info);
    json_decref(info);
    if (!result)
        result = measure(count, fault);
    if (result && worker_alive(count->worker) && worker_close(count->worker, NULL, &(struct fault){0}))
        worker_end(count->worker, end_ns);
    return result;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(path);
}

json_t *callgrind_count(const struct callgrind *request, struct fault *fault)
{
    struct count count = {.request = request, .folder = "/tmp/ternmark-count-XXXXXX"};
    if (!is_installed())
        return absent("valgrind is not installed");
    if (!mkdtemp(count.folder))
        return absent("no folder can be made in /tmp");
    *fault = (struct fault){0};
    json_t *result = run(&count, fault);
    worker_stop(count.worker);
    remove_folder(count.folder);
    if (!result && fault->code != EXIT_CODE_INTERRUPTED) {
        result = json_pack("{s:o}", "absent", json_sprintf("under valgrind: %s", fault->text));
        *fault = (struct fault){0};
    }
    return result;
}
