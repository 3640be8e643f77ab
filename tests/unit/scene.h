/* Where a test with files plays: a directory of its own, a heard log, an arena and a buffer. */
#ifndef KARMA_TESTS_SCENE_H
#define KARMA_TESTS_SCENE_H

#include "core/base/mem.h"
#include "tests/unit/heard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCENE_FILES = 4 };

struct scene {
    struct arena arena;
    struct buf text;
    struct heard log;
    char dir[64], file[SCENE_FILES][96];
    const char *path; /* the first of them */
    int n_files;
};

/* 0, or -1 as cmocka wants it of a set-up that failed. */
static inline int scene_open(struct scene *s)
{
    memset(s, 0, sizeof *s);
    arena_init(&s->arena);
    buf_init(&s->text);
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/karma_test_XXXXXX");
    if (mkdtemp(s->dir) == NULL) {
        return -1;
    }
    heard_begin(&s->log);
    return 0;
}

/* The path of a file that the test may make; the scene's. */
static inline const char *scene_file(struct scene *s, const char *name)
{
    if (s->n_files == SCENE_FILES) {
        abort();
    }
    char *path = s->file[s->n_files++];
    (void)snprintf(path, sizeof s->file[0], "%s/%s", s->dir, name);
    s->path = s->file[0];
    return path;
}

/* For cmocka: a scene with one file. */
static inline int scene_setup(void **state)
{
    static struct scene s;
    const int e = scene_open(&s);
    (void)scene_file(&s, "data");
    *state = &s;
    return e;
}

static inline void scene_release(struct scene *s)
{
    mem_fail_after(0);
    heard_end();
    buf_release(&s->text);
    arena_release(&s->arena);
}

/* Not 0 if the directory has any file but those of scene_file(): then something was left behind. */
static inline int scene_close(struct scene *s)
{
    scene_release(s);
    for (int i = 0; i < s->n_files; i++) {
        (void)unlink(s->file[i]);
    }
    return rmdir(s->dir);
}

/* For tests that mean to leave something: removes the directory with all that is in it. */
static inline int scene_sweep(struct scene *s)
{
    char command[128];
    scene_release(s);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    return system(command);
}

#endif
