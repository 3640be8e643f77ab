/* A real checkpoint, damaged in every way: for each a sentence that names the file and the place,
 * and the checkpoint before it is found. The readers alone: tests/unit/test_checkpoint.c; whole
 * runs: tests/cmd/test_resume.sh, tests/cmd/test_full_disk.sh. RUN: np=1
 */
#include "core/base/crc32c.h"
#include "core/base/file.h"
#include "core/base/frame.h"
#include "core/marl/mappo_learner.h"
#include "mpi/train/checkpoint_dir.h"
#include "tests/mpi/tiny.h"
#include "tests/unit/heard.h"

#include <unistd.h>

enum { FILE_MAX = 64 * 1024 * 1024, FRAMES_MAX = 64, NEWEST = 2 };

/* A run whose newest checkpoint is `whole`, and what it takes to look at it. */
struct damaged_dir {
    struct tiny_run run;
    struct experiment x;
    struct arena arena;
    struct team team;
    struct mappo_learner player;
    struct learner *learners[1];
    struct owners owners;
    struct checkpoint c;
    const char *path; /* of the newest */
    struct buf whole, bad;
    struct frame frame[FRAMES_MAX];
    int n_frames;
    struct heard log;
};

static enum err find_frames(struct damaged_dir *s)
{
    struct frame_reader reader;
    frame_reader_init(&reader, s->whole.data, s->whole.len, s->path);
    s->n_frames = 0;
    while (s->n_frames < FRAMES_MAX && frame_next(&reader, &s->frame[s->n_frames]) == FRAME_OK) {
        s->n_frames++;
    }
    return reader.at == reader.n ? ERR_OK : ERR_FORMAT;
}

static enum err damaged_dir_begin(struct damaged_dir *s, struct ranks *r)
{
    memset(s, 0, sizeof *s);
    tiny_set(&s->run, "train.updates=3");
    tiny_set(&s->run, "train.checkpoint_every=1");
    tiny_set(&s->run, "train.checkpoint_keep=2");
    TRY(tiny_go(r, &s->run));
    TRY(experiment_load(&s->x, "configs/experiments/tiny.yaml", s->run.sets, s->run.n_sets));
    arena_init(&s->arena);
    TRY(team_init(&s->team, &s->arena, &s->x.cfg.team, &s->x.rules.spec));
    TRY(mappo_learner_init(&s->player, &s->arena, &s->team, &s->x.cfg.mappo));
    s->learners[0] = &s->player.base;
    s->owners.n_tiles = (s->x.cfg.train.envs + TILE - 1) / TILE;
    s->c = (struct checkpoint){.comm = &r->c,
                               .owners = &s->owners,
                               .spec = &s->x.rules.env,
                               .learners = s->learners,
                               .scratch = &s->arena,
                               .n_envs = s->x.cfg.train.envs,
                               .horizon = s->x.rules.cfg->horizon};
    s->path = checkpoint_dir_path(&s->arena, s->run.dir, NEWEST);
    TRY(file_read(&s->whole, s->path, FILE_MAX));
    return find_frames(s);
}

static void damaged_dir_end(struct damaged_dir *s, const struct ranks *r)
{
    buf_release(&s->bad);
    buf_release(&s->whole);
    arena_release(&s->arena);
    experiment_release(&s->x);
    run_remove(r, s->run.dir);
}

/* The newest that is whole is update `n`; the log is listened to meanwhile. */
static enum err finds(struct damaged_dir *s, bool *found, int n)
{
    char *path = NULL;
    const char *want = checkpoint_dir_path(&s->arena, s->run.dir, n);
    heard_begin(&s->log);
    const enum err e = checkpoint_dir_newest(&path, &s->arena, &s->c, s->run.dir);
    heard_end();
    *found = e == ERR_OK && strcmp(path, want) == 0;
    return e;
}

/* With s->bad in its place the newest is passed over, and two sentences say why and what follows.
 */
static bool passed_over(struct damaged_dir *s, const char *what, int frame_i)
{
    bool found = false;
    enum err e = file_write(s->path, s->bad.data, s->bad.len);
    e = e == ERR_OK ? finds(s, &found, NEWEST - 1) : e;
    const bool good = found && s->log.n == 2 && strstr(s->log.text, s->path) != NULL &&
                      strstr(s->log.last, "the checkpoint before it is used") != NULL;
    if (!good) {
        fprintf(stderr, "%s, frame %d: %s, %s\n", what, frame_i, err_name(e), s->log.text);
    }
    return good;
}

static bool copy_whole(struct damaged_dir *s)
{
    s->bad.len = 0;
    return buf_append(&s->bad, s->whole.data, s->whole.len) == ERR_OK;
}

static void test_truncation(struct ranks *r)
{
    static struct damaged_dir s;
    bool found = false;
    EXPECT(r, damaged_dir_begin(&s, r) == ERR_OK);
    EXPECT(r, s.n_frames == 4 + s.owners.n_tiles);
    EXPECT(r, finds(&s, &found, NEWEST) == ERR_OK && found && s.log.n == 0);
    for (int i = 0; i < s.n_frames && r->n_faults == 0; i++) {
        const size_t at = s.frame[i].offset, n = s.frame[i].n;
        const size_t cuts[] = {at,
                               at + 1,
                               at + FRAME_HEADER_BYTES - 1,
                               at + FRAME_HEADER_BYTES,
                               at + FRAME_HEADER_BYTES + n / 2,
                               at + FRAME_HEADER_BYTES + n - 1};
        for (size_t k = 0; k < sizeof cuts / sizeof *cuts; k++) {
            EXPECT(r, copy_whole(&s));
            s.bad.len = cuts[k];
            EXPECT(r, passed_over(&s, "cut", i));
        }
    }
    damaged_dir_end(&s, r);
}

static void test_bit_flips(struct ranks *r)
{
    static struct damaged_dir s;
    /* first and last byte of magic, kind, version, length, payload CRC, header CRC */
    static const size_t fields[] = {0, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 19};
    enum { N_FIELDS = sizeof fields / sizeof *fields };
    EXPECT(r, damaged_dir_begin(&s, r) == ERR_OK);
    for (int i = 0; i < s.n_frames && r->n_faults == 0; i++) {
        const size_t at = s.frame[i].offset, body = at + FRAME_HEADER_BYTES, n = s.frame[i].n;
        const size_t payload[] = {body, body + n / 3, body + n / 2, body + n - 1};
        for (size_t k = 0; k < N_FIELDS + 4; k++) {
            const size_t byte = k < N_FIELDS ? at + fields[k] : payload[k - N_FIELDS];
            EXPECT(r, copy_whole(&s));
            s.bad.data[byte] ^= (unsigned char)(1U << (k + (size_t)i) % 8);
            EXPECT(r, passed_over(&s, "flip", i));
        }
    }
    damaged_dir_end(&s, r);
}

static void put_u32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (unsigned char)(v >> 8 * i);
    }
}

/* Headers with the right CRC: lengths and kinds that nobody wrote. */
static void test_wrong_headers(struct ranks *r)
{
    static struct damaged_dir s;
    static const uint32_t lengths[] = {0, 1, FRAME_PAYLOAD_MAX, FRAME_PAYLOAD_MAX + 1, UINT32_MAX};
    EXPECT(r, damaged_dir_begin(&s, r) == ERR_OK);
    for (int i = 0; i < s.n_frames && r->n_faults == 0; i++) {
        for (size_t k = 0; k < 6; k++) {
            EXPECT(r, copy_whole(&s));
            unsigned char *h = s.bad.data + s.frame[i].offset;
            if (k < 5) {
                put_u32(h + 8, lengths[k]);
            } else {
                h[4] = FRAME_EVAL_RECORD;
            }
            put_u32(h + 16, crc32c(0, h, 16));
            const uint64_t before = mem_bytes();
            EXPECT(r, passed_over(&s, "header", i));
            EXPECT(r, mem_bytes() - before < 4 * s.whole.len + ((uint64_t)4 << 20));
        }
    }
    damaged_dir_end(&s, r);
}

static void test_sizes(struct ranks *r)
{
    static struct damaged_dir s;
    EXPECT(r, damaged_dir_begin(&s, r) == ERR_OK);
    s.bad.len = 0;
    EXPECT(r, passed_over(&s, "empty", 0));
    const uint64_t before = mem_bytes();
    for (int i = 0; i < 2; i++) { /* 5 GB of nothing; the same behind a whole checkpoint */
        bool found = false;
        EXPECT(r, file_write(s.path, s.whole.data, i == 0 ? 0 : s.whole.len) == ERR_OK);
        EXPECT(r, truncate(s.path, (off_t)5 << 30) == 0);
        EXPECT(r, finds(&s, &found, NEWEST - 1) == ERR_OK && found);
        EXPECT(r, strstr(s.log.text, s.path) != NULL);
    }
    EXPECT(r, mem_bytes() - before < (uint64_t)8 << 20);
    damaged_dir_end(&s, r);
}

int main(int argc, char **argv)
{
    static const struct ranks_test tests[] = {
        {"cut at every frame and inside", test_truncation},
        {"a bit flipped in every field and payload", test_bit_flips},
        {"headers that nobody wrote", test_wrong_headers},
        {"empty and huge files", test_sizes},
    };
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
