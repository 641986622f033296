/* Writes the message of the day. */
#define JSMN_PARENT_LINKS
#include "jsmn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The tree that is being built. */
#define TREE "/run/osbuild/tree"

/* Longer arguments and more values than these are not meant for this stage. */
#define ARGUMENTS (1 << 20)
#define TOKENS 4096

static char json[ARGUMENTS];
static jsmntok_t tokens[TOKENS];
static int count;

static int fail(const char *what) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
  return EXIT_FAILURE;
}

/* The token of member `name` of the object `object`; -1 when there is none. */
static int member(int object, const char *name) {
  for (int i = object + 1; i + 1 < count; i++) {
    int length = tokens[i].end - tokens[i].start;
    if (tokens[i].parent == object && tokens[i].type == JSMN_STRING && length == (int)strlen(name) &&
        memcmp(json + tokens[i].start, name, length) == 0)
      return i + 1;
  }
  return -1;
}

static int hex4(const char *digits) {
  char text[5] = {digits[0], digits[1], digits[2], digits[3], 0};
  return (int)strtol(text, NULL, 16);
}

/* Writes a code point as UTF-8 and returns what follows it. */
static char *utf8(char *to, int c) {
  int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const int first[] = {0, 0xc0, 0xe0, 0xf0};
  *to++ = (char)(first[more] | c >> 6 * more);
  while (more--)
    *to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
  return to;
}

/* Undoes the escapes of a string in place: the text is never longer than its JSON. */
static const char *text_of(int token) {
  char *to = json + tokens[token].start, *text = to;
  for (const char *from = to, *end = json + tokens[token].end; from < end; from++) {
    if (*from != '\\') {
      *to++ = *from;
    } else if (*++from == 'u') {
      int c = hex4(from + 1);
      from += 4;
      if (c >= 0xd800 && c < 0xdc00 && end - from > 6 && from[1] == '\\' && from[2] == 'u') {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(from + 3) - 0xdc00);
        from += 6;
      }
      to = utf8(to, c);
    } else {
      static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
      const char *letter = strchr(letters, *from);
      *to++ = letter ? meant[letter - letters] : *from;
    }
  }
  *to = 0;
  return text;
}

int main(void) {
  size_t length = fread(json, 1, sizeof json - 1, stdin);
  jsmn_parser parser;
  jsmn_init(&parser);
  count = jsmn_parse(&parser, json, length, tokens, TOKENS);
  int options = count > 0 ? member(0, "options") : -1;
  int text = options > 0 ? member(options, "text") : -1;
  if (text < 0 || tokens[text].type != JSMN_STRING) {
    fputs("error: options.text: it is missing, or no text\n", stderr);
    return EXIT_FAILURE;
  }
  const char *motd = text_of(text);
  size_t end = strlen(motd);
  while (end > 0 && motd[end - 1] == '\n')
    end--;

  if (mkdir(TREE "/etc", 0755) != 0 && errno != EEXIST)
    return fail("/etc");
  FILE *file = fopen(TREE "/etc/motd", "w");
  if (!file)
    return fail("/etc/motd");
  fprintf(file, "%.*s\n", (int)end, motd);
  return fclose(file) == 0 ? EXIT_SUCCESS : fail("/etc/motd");
}
