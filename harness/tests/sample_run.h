/* SPDX-License-Identifier: Apache-2.0
 *
 * A small whole result file as text, for tests that change it: two cells, one measured and judged in pairs, one skipped.
 * SAMPLE_CHECKSUM stands where the checksum goes; sample_run() gives the object with the right one.
 */
#ifndef SAMPLE_RUN_H
#define SAMPLE_RUN_H

#include "store/runfile.h"

#define SAMPLE_CHECKSUM "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define SAMPLE_HASH "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static const char sample_text[] =
    "{\"schema\":1,\"kind\":\"gate\",\"complete\":true,\"ternmark\":\"0.1.0\",\"run_id\":\"0b9f3a54-5e0c-4f6e-9d27-6c1b2a3d4e5f\","
    "\"started_at\":\"2026-11-23T02:38:35Z\",\"git\":{\"commit\":\"81a95e0c4d3b2a1908f7e6d5c4b3a29180f7e6d5\",\"dirty\":false},"
    "\"hardware\":{\"key\":\"some-cpu-2c-8gib-0a1b2c3d\",\"gpu_key\":null,\"fields\":{\"cpu\":\"Some CPU\",\"cores\":2,\"smt\":false}},"
    "\"environment\":{\"kernel\":\"6.1.0\",\"governor\":\"performance\"},\"fitness\":{\"fit\":true,\"reasons\":[]},\"exit\":1,"
    "\"cells\":["
    "{\"id\":\"bitlinear/bitlinear/backend=avx2/batch=8\",\"suite\":\"bitlinear\",\"bench\":\"bitlinear\",\"params\":{\"backend\":\"avx2\",\"batch\":8},"
    "\"workload_hash\":\"" SAMPLE_HASH "\",\"status\":\"ok\",\"reason\":null,\"backend\":\"avx2\","
    "\"runs\":[{\"run_id\":\"0b9f3a54-5e0c-4f6e-9d27-6c1b2a3d4e5f\",\"iterations\":[1000,1000],\"samples_ns\":[[1200.5,1210,1199.25],[1205,1201,1300.75]]}],"
    "\"summary\":{\"median\":1203.0,\"mad\":3.5,\"p50\":1203.0,\"p95\":1278.0,\"p99\":1296.2,\"min\":1199.25,\"max\":1300.75},"
    "\"metrics\":{\"time_p99\":{\"value\":1296.2,\"unit\":\"ns\"},\"energy\":{\"absent\":\"no RAPL on this machine\"}},"
    "\"work\":{\"ops\":1e6,\"bytes\":null,\"items\":8},\"tolerance\":0.05,\"tags\":[\"ci\"],\"compiled\":null,"
    "\"paired\":{\"builds\":{\"base\":\"" SAMPLE_HASH "\",\"base2\":\"" SAMPLE_HASH "\",\"head\":\"" SAMPLE_HASH "\"},"
    "\"rounds\":[{\"generation\":0,\"round\":0,\"order\":[\"base\",\"head\",\"base2\"],\"ns\":[1100.5,1201.5,1101]},"
    "{\"generation\":1,\"round\":0,\"order\":[\"head\",\"base2\",\"base\"],\"ns\":[1211,1102,1099.5]}]},"
    "\"verdicts\":[{\"metric\":\"time\",\"against\":\"paired\",\"verdict\":\"regression\",\"ratio\":1.0953,\"low\":1.08,\"high\":1.11,\"tolerance\":0.05,"
    "\"smallest_visible\":0.02,\"rounds\":2,\"generations\":2,\"reason\":null,\"differs\":[]}]},"
    "{\"id\":\"bitlinear/bitlinear/backend=amx/batch=8\",\"suite\":\"bitlinear\",\"bench\":\"bitlinear\",\"params\":{\"backend\":\"amx\",\"batch\":8},"
    "\"workload_hash\":\"" SAMPLE_HASH "\",\"status\":\"skipped\",\"reason\":\"this CPU has no AMX\",\"backend\":null,\"runs\":[],\"summary\":null,\"metrics\":{},"
    "\"work\":null,\"tolerance\":0.05,\"tags\":[\"ci\"],\"compiled\":null,\"paired\":null,\"verdicts\":[]}],"
    "\"gate\":{\"base\":\"HEAD^\",\"head\":\"working tree\",\"tolerance\":0.05,\"mode\":\"paired\",\"strict\":false,\"notes\":[]},"
    "\"checksum\":\"" SAMPLE_CHECKSUM "\"}";

static inline json_t *sample_run(void)
{
    struct fault fault = {0};
    char checksum[72];
    json_t *run = runfile_read_json(sample_text, sizeof sample_text - 1, "sample", &fault);
    if (!run || !runfile_checksum(run, checksum) || json_object_set_new(run, "checksum", json_string(checksum)) != 0)
        abort();
    return run;
}

#endif
