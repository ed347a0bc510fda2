/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the store: results made from a few numbers, a folder of the test's own, and a PostgreSQL cluster that lives
 * in it, on a Unix socket, started on first use and stopped at the end.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "store/runfile.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define FIXTURE_HASH "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char fixture_folder[64], fixture_socket[80];
static bool fixture_server_runs;

/* What a made result is to look like. */
struct made {
    uint64_t run;          /* becomes the run id */
    int64_t started;
    int machine, n_cells, n_samples;
    double factor;         /* on the times of cell 0 */
};

static inline void fixture_uuid(uint64_t number, char text[40])
{
    uint64_t a = number * 0x9e3779b97f4a7c15u, b = (number ^ (a >> 7)) * 0xbf58476d1ce4e5b9u;
    snprintf(text, 40, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(a >> 32), (unsigned)(a & 0xffff), (unsigned)(b >> 52), (unsigned)(b & 0xfff),
             (unsigned long long)(number & 0xffffffffffffu));
}

static inline json_t *fixture_cell(const struct made *m, const char *uuid, int c)
{
    char id[96];
    json_t *generations = json_array();
    uint64_t state = m->run * 1000 + (uint64_t)c;
    for (int g = 0; g < 3; g++) {
        json_t *samples = json_array();
        for (int i = 0; i < m->n_samples / 3; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            double noise = (double)(state >> 40) / 16777216.0;
            json_array_append_new(samples, json_real((1000.0 + 100 * c) * (1 + 0.02 * noise) * (c == 0 ? m->factor : 1)));
        }
        json_array_append_new(generations, samples);
    }
    snprintf(id, sizeof id, "made/bench/n=%d", c);
    double middle = 1010.0 + 100 * c;
    return json_pack("{s:s, s:s, s:s, s:{s:i}, s:s, s:s, s:n, s:n, s:[{s:s, s:[iii], s:o}], s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f}, s:{s:{s:f, s:s}}, s:n, s:f, s:[s], s:n, s:n, s:[]}",
                     "id", id, "suite", "made", "bench", "bench", "params", "n", c, "workload_hash", FIXTURE_HASH, "status", "ok", "reason", "backend", "runs", "run_id", uuid,
                     "iterations", 1, 1, 1, "samples_ns", generations, "summary", "median", middle, "mad", 5.0, "p50", middle, "p95", middle, "p99", middle, "min", middle,
                     "max", middle, "metrics", "memory_peak", "value", 1e6, "unit", "B", "work", "tolerance", 0.05, "tags", "ci", "compiled", "paired", "verdicts");
}

static inline json_t *fixture_run(const struct made *m)
{
    char uuid[40], date[32], key[32], commit[48];
    struct tm tm;
    time_t started = (time_t)m->started;
    json_t *cells = json_array();
    fixture_uuid(m->run, uuid);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&started, &tm));
    snprintf(key, sizeof key, "machine-%d-0a1b2c3d", m->machine);
    snprintf(commit, sizeof commit, "%040llx", (unsigned long long)(0xabc0000 + m->run));
    for (int c = 0; c < m->n_cells; c++)
        json_array_append_new(cells, fixture_cell(m, uuid, c));
    json_t *run = json_pack("{s:i, s:s, s:b, s:s, s:s, s:s, s:{s:s, s:b}, s:{s:s, s:n, s:{s:s}}, s:{s:s}, s:{s:b, s:[]}, s:i, s:o}", "schema", 1, "kind", "run", "complete", 1,
                            "ternmark", "0.1.0", "run_id", uuid, "started_at", date, "git", "commit", commit, "dirty", 0, "hardware", "key", key, "gpu_key", "fields", "cpu",
                            "Made CPU", "environment", "kernel", "6.1", "fitness", "fit", 1, "reasons", "exit", 0, "cells", cells);
    if (!run)
        abort();
    return run;
}

/* Runs a program, its output into the log of the folder; the exit status, 127 when there is no such program. */
static inline int fixture_call(char *const argv[])
{
    posix_spawn_file_actions_t actions;
    char log[96];
    pid_t pid;
    int status = 0;
    snprintf(log, sizeof log, "%s/log", fixture_folder);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return 127;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static inline void fixture_open(void)
{
    snprintf(fixture_folder, sizeof fixture_folder, "/tmp/ternmark-store-XXXXXX");
    if (!mkdtemp(fixture_folder))
        abort();
    chmod(fixture_folder, 0755);
}

/* The newest pg_ctl that Debian installed, or NULL. */
static inline const char *fixture_pg(const char *program, char path[128])
{
    for (int version = 30; version >= 12; version--) {
        snprintf(path, 128, "/usr/lib/postgresql/%d/bin/%s", version, program);
        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

/* As root the server refuses to run: it is started as the package's user. */
static inline int fixture_as_server(char *const argv[])
{
    char *as_user[24] = {"runuser", "-u", "postgres", "--"};
    size_t n = 0;
    if (geteuid() != 0)
        return fixture_call(argv);
    while (argv[n] && n < 19) {
        as_user[4 + n] = argv[n];
        n++;
    }
    as_user[4 + n] = NULL;
    return fixture_call(as_user);
}

static inline bool fixture_server(const char *verb)
{
    char pg_ctl[128], data[96], log[96], options[256];
    if (!fixture_pg("pg_ctl", pg_ctl))
        return false;
    snprintf(data, sizeof data, "%s/cluster", fixture_folder);
    snprintf(log, sizeof log, "%s/cluster.log", fixture_socket);
    snprintf(options, sizeof options, "-c listen_addresses='' -c unix_socket_directories=%s -c fsync=on", fixture_socket);
    bool starts = strcmp(verb, "start") == 0;
    char *start[] = {pg_ctl, "-D", data, "-w", "-t", "30", "-l", log, "-o", options, "start", NULL};
    char *stop[] = {pg_ctl, "-D", data, "-w", "-t", "30", "-m", "immediate", "stop", NULL};
    return fixture_as_server(starts ? start : stop) == 0;
}

/* NULL and a reason, or the URL of a fresh database of the test's own cluster. */
static inline const char *fixture_postgres(const char **why)
{
    static char url[160];
    char initdb[128], data[96];
    const struct passwd *user = getpwnam("postgres");
    *why = "PostgreSQL's server is not installed (package postgresql)";
    if (!fixture_pg("initdb", initdb))
        return NULL;
    *why = "PostgreSQL did not start";
    snprintf(url, sizeof url, "postgresql:///postgres?host=%s/socket&user=postgres", fixture_folder);
    if (fixture_server_runs)
        return url;
    snprintf(data, sizeof data, "%s/cluster", fixture_folder);
    snprintf(fixture_socket, sizeof fixture_socket, "%s/socket", fixture_folder);
    mkdir(data, 0700);
    mkdir(fixture_socket, 0755);
    if (geteuid() == 0 && user && (chown(data, user->pw_uid, user->pw_gid) != 0 || chown(fixture_socket, user->pw_uid, user->pw_gid) != 0))
        return NULL;
    char *make[] = {initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", NULL};
    if (fixture_as_server(make) != 0 || !fixture_server("start"))
        return NULL;
    fixture_server_runs = true;
    return url;
}

static inline void fixture_close(void)
{
    if (fixture_server_runs)
        fixture_server("stop");
    char *argv[] = {"rm", "-rf", fixture_folder, NULL};
    fixture_call(argv);
}

#endif
