/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/project.h"

#include "script/script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

static const int patience_ms = 10000;
enum { MOST_BYTES = 1 << 16 };

/* ---- in the child: the file's value as JSON, or {"wrong": sentence} */

static json_t *evaluate(const char *path)
{
    struct fault fault = {0};
    json_t *settings = json_pack("{s:{},s:i}", "artifacts", "seed", 1), *request = json_pack("{s:s}", "path", path), *value = NULL;
    struct script *script = script_open(settings, &fault);
    if (script)
        value = script_ask(script, "project", request, &fault);
    return value ? json_pack("{s:o}", "value", value) : json_pack("{s:s}", "wrong", fault.text);
}

static void child(const char *path, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    json_t *answer = evaluate(path);
    char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0, at = 0;
    while (at < n) {
        ssize_t put = write(out, text + at, n - at);
        if (put <= 0)
            break;
        at += (size_t)put;
    }
    _exit(0);
}

/* ---- in the parent */

/* All the child wrote within the time; false: too slow or too much. */
static bool receive(int in, char *text, size_t size)
{
    size_t n = 0;
    struct pollfd ready = {.fd = in, .events = POLLIN};
    for (;;) {
        int state = poll(&ready, 1, patience_ms);
        if (state < 0 && errno == EINTR)
            continue;
        ssize_t got = state > 0 ? read(in, text + n, size - 1 - n) : -1;
        if (got < 0 || (got > 0 && n + (size_t)got + 1 >= size))
            return false;
        text[n += (size_t)got] = 0;
        if (got == 0)
            return true;
    }
}

static json_t *ask(const char *path, struct fault *fault)
{
    int ends[2];
    static char text[MOST_BYTES];
    text[0] = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        child(path, ends[1]);
    close(ends[1]);
    bool whole = pid > 0 && receive(ends[0], text, sizeof text);
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    json_t *answer = whole ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *wrong = json_string_value(json_object_get(answer, "wrong"));
    json_t *value = json_incref(json_object_get(answer, "value"));
    if (!value)
        fault_set(fault, EXIT_CODE_USAGE, wrong ? "%s" : "%s: it did not return a table in time", wrong ? wrong : path);
    json_decref(answer);
    return value;
}

/* ---- fields */

static bool wrong(struct fault *fault, const char *path, const char *field, const char *expected)
{
    return fault_set(fault, EXIT_CODE_USAGE, "%s: field '%s': expected %s", path, field, expected);
}

static bool is_inside(const char *path)
{
    if (!path || !*path || *path == '/')
        return false;
    for (const char *at = path; at; at = strchr(at, '/'), at = at ? at + 1 : NULL)
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0))
            return false;
    return true;
}

static bool take_build(struct project *p, json_t *value, const char *path, struct fault *fault)
{
    size_t i;
    json_t *word;
    if (!json_is_array(value) || json_array_size(value) == 0)
        return wrong(fault, path, "build", "a list of words, like {\"make\", \"-j2\"}");
    json_array_foreach(value, i, word)
        if (!json_is_string(word) || !*json_string_value(word))
            return wrong(fault, path, "build", "words, none of them empty");
    json_array_extend(p->build, value);
    return true;
}

static bool take_artifacts(struct project *p, json_t *value, const char *path, struct fault *fault)
{
    const char *name;
    json_t *file;
    if (json_is_array(value) && json_array_size(value) == 0)
        return true;
    if (!json_is_object(value))
        return wrong(fault, path, "artifacts", "a table like { name = \"path\" }");
    json_object_foreach(value, name, file) {
        if (!is_inside(json_string_value(file)) || strchr(name, '=') || !*name)
            return wrong(fault, path, "artifacts", "names and paths inside the tree");
        json_object_set(p->artifacts, name, file);
    }
    return true;
}

static bool take_suites(struct project *p, json_t *value, const char *path, struct fault *fault)
{
    if (!is_inside(json_string_value(value)))
        return wrong(fault, path, "suites", "a folder inside the tree");
    free(p->suites);
    p->suites = strdup(json_string_value(value));
    return p->suites != NULL;
}

static const struct field {
    const char *name;
    bool (*take)(struct project *, json_t *, const char *, struct fault *);
} fields[] = {{"build", take_build}, {"artifacts", take_artifacts}, {"suites", take_suites}};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static bool take_all(struct project *p, json_t *value, const char *path, struct fault *fault)
{
    const char *name;
    json_t *field;
    if (!json_is_object(value) && json_array_size(value) > 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: expected a table with build, artifacts, suites", path);
    json_object_foreach(value, name, field) {
        size_t i = 0;
        while (i < N_FIELDS && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == N_FIELDS)
            return fault_set(fault, EXIT_CODE_USAGE, "%s: field '%.100s': expected build, artifacts or suites", path, name);
        if (!fields[i].take(p, field, path, fault))
            return false;
    }
    return true;
}

bool project_load(const char *root, struct project *p, struct fault *fault)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/ternmark.lua", root);
    *p = (struct project){json_array(), json_object(), strdup("suites"), access(path, F_OK) == 0};
    bool ok = p->build && p->artifacts && p->suites;
    json_t *value = ok && p->is_there ? ask(path, fault) : NULL;
    if (p->is_there)
        ok = value && (json_is_object(value) || json_is_array(value) || fault_set(fault, EXIT_CODE_USAGE, "%s: expected a table, found something else", path)) &&
             take_all(p, value, path, fault);
    json_decref(value);
    if (!ok)
        project_clear(p);
    return ok;
}

void project_clear(struct project *p)
{
    json_decref(p->build);
    json_decref(p->artifacts);
    free(p->suites);
    *p = (struct project){0};
}
