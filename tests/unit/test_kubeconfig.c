/* Kubeconfig files: what is read, what is refused, and that no message shows a secret. */
#include "core/base/file.h"
#include "core/transfer/kubeconfig.h"
#include "tests/unit/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char secret[] = "s3cr3t-t0ken";

static enum err from_text(struct kube_access *a, struct arena *arena, const char *context,
                          const char *text)
{
    return kube_access_text(a, arena, "/tmp/x/config", context, text, strlen(text));
}

static void a_kubeconfig(void **state)
{
    static const char text[] =
        "apiVersion: v1\n"
        "kind: Config\n"
        "preferences: {}\n"
        "clusters:\n"
        "- name: one\n"
        "  cluster: {server: 'https://one:6443', certificate-authority-data: SGVsbG8K}\n"
        "- name: two\n"
        "  cluster: {server: 'https://two:6443', insecure-skip-tls-verify: true}\n"
        "users:\n"
        "- name: me\n"
        "  user: {token: s3cr3t-t0ken}\n"
        "- name: other\n"
        "  user: {tokenFile: tokens/other, client-certificate-data: Y2VydA==, client-key-data: "
        "a2V5}\n"
        "contexts:\n"
        "- name: x\n"
        "  context: {cluster: one, user: me, namespace: shop}\n"
        "- name: y\n"
        "  context: {cluster: two, user: other}\n"
        "current-context: x\n";
    struct kube_access a;
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_int_equal(from_text(&a, &arena, "", text), ERR_OK);
    assert_string_equal(a.server, "https://one:6443");
    assert_string_equal(a.ca_pem, "Hello\n");
    assert_string_equal(a.token, secret);
    assert_string_equal(a.name_space, "shop");
    assert_string_equal(a.source, "/tmp/x/config");
    assert_false(a.insecure);
    assert_int_equal(from_text(&a, &arena, "y", text), ERR_OK);
    assert_string_equal(a.server, "https://two:6443");
    assert_string_equal(a.token, "");
    assert_string_equal(a.token_file, "/tmp/x/tokens/other");
    assert_string_equal(a.cert_pem, "cert");
    assert_string_equal(a.key_pem, "key");
    assert_string_equal(a.name_space, "default");
    assert_true(a.insecure);
    arena_release(&arena);
}

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://c'}}]\n"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"

static void refused(void **state)
{
    static const struct {
        const char *text, *context, *says;
    } cases[] = {
        {"", "", "no kubeconfig"},
        {"- a\n", "", "no kubeconfig"},
        {"a: [\n", "", "/tmp/x/config:2"},
        {"clusters: []\n", "", "no current-context"},
        {CLUSTER CONTEXT, "", "no entry 'u' in users"},
        {CLUSTER CONTEXT, "z", "no entry 'z' in contexts"},
        {CONTEXT "users: [{name: u}]\n", "", "no entry 'c' in clusters"},
        {CONTEXT "clusters: [{name: c, cluster: {}}]\n", "", "no `server`"},
        {CLUSTER CONTEXT "users: [{name: u, user: {exec: {command: evil}}}]\n", "",
         "it runs a program"},
        {CLUSTER CONTEXT "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "",
         "runs a program"},
        {CLUSTER CONTEXT "users: [{name: u, user: {username: me, password: s3cr3t-t0ken}}]\n", "",
         "not supported; use a token"},
        {CLUSTER CONTEXT "users: [{name: u, user: {token: [s3cr3t-t0ken]}}]\n", "",
         "expected a text"},
        {CLUSTER CONTEXT "users: [{name: u, user: {client-key-data: '!s3cr3t-t0ken'}}]\n", "",
         "not base64"},
        {CLUSTER CONTEXT "users: [{name: u, user: {client-key-data: a2V5}}]\n", "", "needs both"},
        {CLUSTER CONTEXT "users: [{name: u, user: {token: &a s3cr3t-t0ken}}]\n", "", "anchor"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c', proxy-url: 'http://p'}}]\n",
         "", "HTTPS_PROXY"},
        {CONTEXT
         "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: no}}]\n",
         "", "/tmp/x/no"},
        {CONTEXT "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: "
                 "/dev/zero}}]\n",
         "", "names a device or a pipe"},
    };
    struct heard heard;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kube_access a = {.server = "untouched"};
        struct arena arena;
        arena_init(&arena);
        heard_begin(&heard);
        const enum err e = from_text(&a, &arena, cases[i].context, cases[i].text);
        heard_end();
        if (e == ERR_OK || heard.n < 1 || strstr(heard.text, cases[i].says) == NULL ||
            strstr(heard.text, secret) != NULL || strcmp(a.server, "untouched") != 0) {
            fail_msg("case %zu: %s", i, heard.text);
        }
        arena_release(&arena);
    }
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(file_write(path, text, strlen(text)), ERR_OK);
}

static void inside_a_pod(void **state)
{
    char dir[] = "/tmp/karma-pod-XXXXXX", path[64];
    struct kube_access a;
    struct heard heard;
    struct arena arena;
    (void)state;
    arena_init(&arena);
    assert_non_null(mkdtemp(dir));
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    heard_begin(&heard);
    assert_int_equal(kube_access_pod(&a, &arena, dir), ERR_CONFIG);
    heard_end();
    assert_non_null(strstr(heard.last, "no pod of Kubernetes"));
    put(dir, "namespace", "shop\n");
    put(dir, "token", secret);
    put(dir, "ca.crt", "-----BEGIN");
    (void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    (void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_int_equal(kube_access_pod(&a, &arena, dir), ERR_OK);
    assert_string_equal(a.server, "https://[fd00::1]:443");
    assert_string_equal(a.name_space, "shop");
    (void)snprintf(path, sizeof path, "%s/token", dir);
    assert_string_equal(a.token_file, path);
    assert_string_equal(a.token, "");
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/ca.crt", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/namespace", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    arena_release(&arena);
}

static void which_one_is_found(void **state)
{
    struct kube_access a;
    struct heard heard;
    struct arena arena;
    (void)state;
    arena_init(&arena);
    heard_begin(&heard);
    (void)setenv("KUBECONFIG", "/nowhere/a:/nowhere/b", 1);
    assert_int_equal(kube_access_find(&a, &arena, "", ""), ERR_CONFIG);
    assert_non_null(strstr(heard.last, "several files"));
    (void)setenv("KUBECONFIG", "/nowhere/a", 1);
    assert_int_equal(kube_access_find(&a, &arena, "", ""), ERR_IO);
    assert_non_null(strstr(heard.last, "/nowhere/a"));
    assert_int_equal(kube_access_find(&a, &arena, "/nowhere/c", ""), ERR_IO);
    assert_non_null(strstr(heard.last, "/nowhere/c"));
    (void)unsetenv("KUBECONFIG");
    (void)setenv("HOME", "/nowhere", 1);
    assert_int_equal(kube_access_find(&a, &arena, "", ""), ERR_CONFIG);
    assert_non_null(strstr(heard.last, "no cluster is known"));
    heard_end();
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_kubeconfig), cmocka_unit_test(refused),
                                       cmocka_unit_test(inside_a_pod),
                                       cmocka_unit_test(which_one_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
