/* SPDX-License-Identifier: Apache-2.0 */
#define CUDA_EMULATED 1
#include "cuda/kernels/all.cu"
#include "tests/cuda_emulated_launch.h"

#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

enum { TOGETHER_MOST = 16, THREADS_MOST = 1024, STACK_BYTES = 65536, BARRIERS = EMULATED_SHARED_BYTES / 8 };

unsigned char *emulated_shared;
uint3_ emulated_thread, blockIdx, blockDim, gridDim;

struct meeting {
    unsigned arrived, generation;
};
struct fibre {
    jmp_buf at;
    bool is_started, is_done;
    unsigned awaited; /* barrier of the cluster */
};
struct copy_barrier {
    int arrivals, pending, bytes;
    unsigned phase;
};

/* What belongs to one block. */
struct team {
    fibre fibres[THREADS_MOST];
    meeting warps[THREADS_MOST / 32], block;
    uint64_t lanes[THREADS_MOST / 32][32];
    unsigned as[THREADS_MOST / 32][32][4], bs[THREADS_MOST / 32][32][2]; /* of a matrix product */
    copy_barrier barriers[BARRIERS];
    unsigned char *shared;
    char *stacks;
    unsigned left; /* fibres that are not done */
    uint3_ index;
};

static jmp_buf scheduler;
static ucontext_t context; /* of a fibre's first turn */
static team *here, *cluster[TOGETHER_MOST];
static meeting cluster_meeting;
static const emulated_kernel *kernel;
static const void *kernel_arguments;
static unsigned together; /* blocks that run by turns */

/* ---- fibres: a context gives one its stack, and jumps switch between them, since swapcontext() calls the system each time */

void emulated_yield()
{
    if (!_setjmp(here->fibres[emulated_thread.x].at)) _longjmp(scheduler, 1);
}

static void meet(meeting *m, unsigned all)
{
    const unsigned generation = m->generation;
    if (++m->arrived == all) {
        m->arrived = 0;
        m->generation++;
        return;
    }
    while (m->generation == generation) emulated_yield();
}

void __syncwarp()
{
    meet(&here->warps[emulated_thread.x / 32], 32);
}

void __syncthreads()
{
    meet(&here->block, blockDim.x);
}

/* Fibres arrive at a barrier of the cluster, and later wait until all have. */
void cluster_arrive()
{
    if (++cluster_meeting.arrived % (together * blockDim.x) == 0) cluster_meeting.generation++;
    here->fibres[emulated_thread.x].awaited++;
}

void cluster_wait()
{
    while (cluster_meeting.generation < here->fibres[emulated_thread.x].awaited) emulated_yield();
}

unsigned char *emulated_shared_of(int rank)
{
    return cluster[rank]->shared;
}

uint64_t *emulated_lanes()
{
    return here->lanes[emulated_thread.x / 32];
}

static void enter()
{
    kernel->run(kernel_arguments);
    here->fibres[emulated_thread.x].is_done = true;
    here->left--;
    emulated_yield();
}

/* Runs a fibre until it yields; the first time on its stack's beginning. */
static void resume(fibre *f, char *stack)
{
    if (_setjmp(scheduler)) return;
    if (f->is_started) _longjmp(f->at, 1);
    f->is_started = true;
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK_BYTES;
    context.uc_link = nullptr;
    makecontext(&context, enter, 0);
    setcontext(&context);
}

static void start_block(team *t)
{
    memset(t->warps, 0, sizeof t->warps);
    memset(&t->block, 0, sizeof t->block);
    memset(t->shared, 0xA5, EMULATED_SHARED_BYTES); /* as undefined as shared memory is */
    t->left = blockDim.x;
    for (unsigned i = 0; i < blockDim.x; i++) t->fibres[i].is_started = t->fibres[i].is_done = false, t->fibres[i].awaited = 0;
}

/* A turn for every fibre of a block. */
static void turn(team *t)
{
    here = t;
    emulated_shared = t->shared;
    blockIdx = t->index;
    for (unsigned i = 0; i < blockDim.x; i++) {
        if (t->fibres[i].is_done) continue;
        emulated_thread.x = i;
        resume(&t->fibres[i], t->stacks + (size_t)i * STACK_BYTES);
    }
}

/* The blocks of a cluster, from block x of row y on. */
static void run_cluster(unsigned x, unsigned y)
{
    cluster_meeting = {};
    for (unsigned i = 0; i < together; i++) {
        cluster[i]->index = {x + i, y, 0};
        start_block(cluster[i]);
    }
    for (bool is_running = true; is_running;) {
        is_running = false;
        for (unsigned i = 0; i < together; i++) {
            if (cluster[i]->left) turn(cluster[i]);
            is_running |= cluster[i]->left > 0;
        }
    }
}

/* ---- matrix product, copies */

void mma_16x8x32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    const unsigned warp = emulated_thread.x / 32, lane = emulated_thread.x % 32;
    unsigned (*const as)[4] = here->as[warp], (*const bs)[2] = here->bs[warp];
    memcpy(as[lane], a, sizeof a);
    bs[lane][0] = b0;
    bs[lane][1] = b1;
    __syncwarp();
    for (int i = 0; i < 4; i++) {
        const unsigned row = lane / 4 + (i >> 1) * 8, column = (lane & 3) * 2 + (i & 1);
        for (unsigned k = 0; k < 32; k++) {
            const unsigned x = as[row % 8 * 4 + k % 16 / 4][row / 8 + k / 16 * 2], y = bs[column * 4 + k % 16 / 4][k / 16];
            c[i] += (int8_t)(x >> 8 * (k % 4)) * (int8_t)(y >> 8 * (k % 4));
        }
    }
    __syncwarp();
}

static void finish_phase(copy_barrier *b)
{
    if (b->pending || b->bytes) return;
    b->phase++;
    b->pending = b->arrivals;
}

void barrier_init(unsigned barrier, unsigned arrivals)
{
    here->barriers[barrier / 8] = {(int)arrivals, (int)arrivals, 0, 0};
}

void barrier_expect(unsigned barrier, unsigned bytes)
{
    copy_barrier *b = &here->barriers[barrier / 8];
    b->bytes += (int)bytes;
    b->pending--;
    finish_phase(b);
}

void barrier_arrive(unsigned barrier)
{
    copy_barrier *b = &here->barriers[barrier / 8];
    b->pending--;
    finish_phase(b);
}

void bulk_copy(unsigned to, const void *from, unsigned bytes, unsigned barrier)
{
    copy_barrier *b = &here->barriers[barrier / 8];
    memcpy(emulated_shared + to, from, bytes);
    b->bytes -= (int)bytes;
    finish_phase(b);
}

void barrier_wait(unsigned barrier, unsigned parity)
{
    while ((here->barriers[barrier / 8].phase & 1) == parity) emulated_yield();
}

/* ---- launches */

#define CLUSTERED(name, type, cluster) {#name, [](const void *p) { name(*(const type *)p); }, sizeof(type), cluster},
#define KERNEL(name, type) CLUSTERED(name, type, 1)
#define TOGETHER(name, type) CLUSTERED(name, type, 0)
#undef STREAM
#undef HELD
#undef RING
#undef GEMM
#undef TURNS
#undef PORTABLE
static const emulated_kernel kernels[] = {
#define STREAM(warps, columns) KERNEL(matmul_t2_i8_stream_##warps##x##columns, stream_args)
#define HELD(warps, quads, tiles) KERNEL(matmul_t2_i8_held_##warps##x##quads##x##tiles, stream_args)
#define RING(warps, quads) KERNEL(matmul_t2_i8_ring_##warps##x##quads, stream_args)
#define GEMM(batch, groups, slices, quads)
#define TURNS(batch, groups, quads)
#define PORTABLE(warps, tiles, columns) KERNEL(matmul_t2_i8_portable_##warps##x##tiles##x##columns, stream_args)
#include "cuda/kernels/linear.def"
#define CACHE(name) KERNEL(remember_##name, attend_args) KERNEL(attend_##name, attend_args) CLUSTERED(token_##name, attend_args, TOKEN_RANKS) TOGETHER(step_##name, step_args)
    KERNEL(embed_f32, embed_args) KERNEL(norm_f32_i8, norm_args)
    CACHE(f32) CACHE(f16) CACHE(i8) KERNEL(head_i8, head_args) KERNEL(heads_i8, head_args) KERNEL(next_position, advance_args)
    KERNEL(unpack_t2_i8, unpack_args) KERNEL(scale_i32_f32, scale_args)
    KERNEL(fill_random, fill_args) KERNEL(fill_halves, fill_args) KERNEL(fill_floats, fill_args)
};

const emulated_kernel *emulated_find(const char *name)
{
    for (const emulated_kernel &k : kernels)
        if (!strcmp(k.name, name)) return &k;
    return nullptr;
}

void emulated_launch(const emulated_kernel *k, const unsigned grid[2], unsigned threads, const void *arguments)
{
    getcontext(&context);
    kernel = k;
    kernel_arguments = arguments;
    gridDim = {grid[0], grid[1], 1};
    blockDim = {threads, 1, 1};
    together = k->cluster ? k->cluster : grid[0];
    for (unsigned i = 0; i < together; i++) {
        cluster[i] = (team *)calloc(1, sizeof *cluster[i]);
        cluster[i]->shared = (unsigned char *)aligned_alloc(1024, EMULATED_SHARED_BYTES);
        cluster[i]->stacks = (char *)malloc((size_t)threads * STACK_BYTES);
    }
    for (unsigned y = 0; y < grid[1]; y++)
        for (unsigned x = 0; x < grid[0]; x += together) run_cluster(x, y);
    for (unsigned i = 0; i < together; i++) free(cluster[i]->shared), free(cluster[i]->stacks), free(cluster[i]);
}
