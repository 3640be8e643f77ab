/* Allocate a part, play it, multiply. See rehearsal.h. */
#include "mpi/train/rehearsal.h"

#include <stdio.h>

static double mib(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* Environments that the rank will simulate, for each that is allocated. Environments are counted
 * and not tiles, since the last tile may have fewer than TILE. */
static double scale_of(const struct trainer *t)
{
    int64_t all = 0, allocated = 0;
    for (int tile = 0; tile < t->owners.n_tiles; tile++) {
        const int left = t->setup->train->envs - tile * TILE;
        all += t->owners.sim[tile] != t->comm->rank ? 0 : left < TILE ? left : TILE;
    }
    for (int i = 0; i < t->n_allocated; i++) {
        allocated += t->tiles[i].env->n_env;
    }
    return allocated > 0 ? (double)all / (double)allocated : 0.0;
}

/* Rollouts that even the shortest training plays: the warm-up and one update. Environments touch
 * more of their memory in the second. */
enum { ROLLOUTS = 2 };

/* Rollouts of every allocated tile, into the spare blocks. */
static enum err play(struct trainer *t, uint32_t rollout)
{
    const struct train_cfg *train = t->setup->train;
    const struct rollout_cfg cfg = {
        .seed = train->seed,
        .mode = train->init == INIT_SCRATCH ? ROLLOUT_POLICY : ROLLOUT_DEMONSTRATE,
        .random_share = train->clone.random_share,
    };
    for (int i = 0; i < t->n_allocated; i++) {
        struct block *blocks[ENV_TEAMS_MAX];
        for (int k = 0; k < t->spec->n_teams; k++) {
            blocks[k] = exchange_wants(&t->exchange, k) ? &t->teams[k].spare : NULL;
            if (blocks[k] != NULL) {
                blocks[k]->n_env = t->tiles[i].env->n_env;
            }
        }
        TRY(rollout_run(t->rollout, blocks, &t->tiles[i], &cfg, rollout, trainer_stagger(t),
                        train->envs));
    }
    return ERR_OK;
}

static void print_table(const struct trainer *t, size_t resident)
{
    const struct arena *a = &t->arena;
    printf("memory of rank %d of %d: %d tiles simulated, %d learned\n", t->comm->rank,
           t->comm->size, t->n_sim, t->n_learn);
    for (int i = 0; i < a->n_sections; i++) {
        printf("  %-24s %12.3f MiB\n", a->sections[i].name, mib(a->sections[i].bytes));
    }
    printf("  %-24s %12.3f MiB\n", "total reserved", mib(a->bytes));
    printf("  %-24s %12.3f MiB, with the program and its libraries\n", "expected resident",
           mib(resident));
    printf("  %-24s %12.3f MiB\n", "this dry run itself", mib(mem_resident_most()));
}

/* What the training will have in memory, from what this process has now:
 *
 *   program    now - ours, with `ours` the resident pages of the three arenas
 *   fixed      all of t->arena: networks, sums and buffers; counted in full
 *   blocks     sets x tiles learned x bytes of the blocks of one tile; counted in full
 *   sample     resident pages of the sample's tiles x scale: queues are touched in part
 *
 * The sections of the sample are then added to those of t->arena, scaled, so that the table shows
 * what the training would reserve. `fixed` is read before that. */
enum err rehearsal_run(struct trainer *t)
{
    const size_t fixed = t->arena.bytes;
    const size_t blocks = (size_t)t->n_sets * (size_t)t->n_learn * (size_t)t->one_block_arena.bytes;
    const double scale = scale_of(t);
    for (uint32_t i = 0; i < ROLLOUTS; i++) {
        TRY(play(t, i));
    }
    const size_t sample = arena_resident(&t->plants);
    const size_t ours = arena_resident(&t->arena) + sample + arena_resident(&t->one_block_arena);
    const size_t now = mem_resident();
    const size_t program = now > ours ? now - ours : 0;
    for (int i = 0; i < t->plants.n_sections; i++) {
        const struct mem_section *s = &t->plants.sections[i];
        arena_count(&t->arena, s->name, (size_t)((double)s->bytes * scale));
    }
    for (int i = 0; i < t->one_block_arena.n_sections; i++) {
        const struct mem_section *s = &t->one_block_arena.sections[i];
        arena_count(&t->arena, s->name, (size_t)t->n_sets * (size_t)t->n_learn * s->bytes);
    }
    if (t->comm->rank == 0) {
        print_table(t, program + fixed + blocks + (size_t)((double)sample * scale));
    }
    return ERR_OK;
}
