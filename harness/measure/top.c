/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/top.h"

#include "measure/clock.h"
#include "probe/git.h"
#include "probe/host.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

void top_uuid(char text[37])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        abort();
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(text, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8],
             b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

json_t *top_now(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

json_t *top_new(const char *kind, const json_t *arguments)
{
    char id[37];
    top_uuid(id);
    struct clock_quality clock = clock_measure();
    json_t *environment = host_environment();
    char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;
    if (text)
        json_object_set_new(environment, "arguments", json_string(text));
    free(text);
    json_object_set_new(environment, "clock_cost_ns", json_real(clock.cost_ns));
    json_object_set_new(environment, "clock_resolution_ns", json_real(clock.resolution_ns));
    return json_pack("{s:i,s:s,s:b,s:s,s:s,s:o,s:o,s:o,s:o,s:{s:b,s:[]},s:i,s:[]}", "schema", 1, "kind", kind, "complete", 0, "ternmark",
                     TERNMARK_VERSION, "run_id", id, "started_at", top_now(), "git", git_state(), "hardware", host_hardware(), "environment",
                     environment, "fitness", "fit", 1, "reasons", "exit", 0, "cells");
}

json_t *top_card(const json_t *generations)
{
    size_t i;
    json_t *generation, *card = NULL;
    json_array_foreach(generations, i, generation)
        if (!card)
            card = json_object_get(generation, "card");
    return card;
}

void top_set_card(json_t *top, const json_t *card)
{
    char key[160];
    if (!card)
        return;
    json_object_set_new(json_object_get(top, "hardware"), "gpu_key", json_string(host_gpu_key(card, key, sizeof key)));
    json_object_set(json_object_get(top, "environment"), "gpu", json_object_get(card, "name"));
}

void top_find_card(json_t *top, const json_t *cells)
{
    const char *id;
    json_t *generations, *card = NULL;
    json_object_foreach((json_t *)(uintptr_t)cells, id, generations)
        if (!card)
            card = top_card(generations);
    top_set_card(top, card);
}
