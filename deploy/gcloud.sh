# shellcheck shell=bash
# Talking to Google Cloud. `run` is the one door for what changes something, `look` for what is asked. refusals.sh says
# which of Google's answers pass, and so are waited for here.

export LC_ALL=C   # elsewhere "I" may have another lower case, and [a-z] may hold an "é"
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API=false   # or a deploy would turn APIs on by itself
# Whatever somebody has chosen for gcloud: its words are read here, and a logged request holds the app secret.
export CLOUDSDK_CORE_USER_OUTPUT_ENABLED=true CLOUDSDK_CORE_VERBOSITY=warning CLOUDSDK_CORE_LOG_HTTP=false
SCRATCH="$(mktemp -d)"   # for Google's messages and for policies; nothing secret is written there
trap 'rm -rf "$SCRATCH"' EXIT
trap interrupted INT TERM HUP

FOUND='' SAID=''   # what the last command printed, and what it complained of
INPUT=''           # what `run` gives its command on standard input: never exported, never an argument
APIS_ON=''         # set once all APIs are enabled: one that still seems off has not heard of it yet
FRESH=''           # set once an account or a role was made: what is unknown now may be known in a moment
UNCHANGED=0
BUILDS=()          # process groups of the builds that run

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

note() { printf '%s\n' "$1" >&2; }

say() {  # say created|updated|granted|removed|there WHAT
  if [[ $1 == there ]]; then UNCHANGED=$((UNCHANGED + 1)); fi
  if [[ ($1 == there && -z $VERBOSE) || ($1 != there && $DRY_RUN) ]]; then return; fi
  printf '%-8s %s\n' "$1" "$2"
}

summary() {
  if [[ $UNCHANGED -gt 0 && -z $VERBOSE ]]; then echo "unchanged: $UNCHANGED things (-v names them)"; fi
}

attempt() {  # attempt COMMAND...: one try
  if [[ $INPUT ]]; then
    if FOUND="$(printf '%s' "$INPUT" | "$@" 2>"$SCRATCH/said")"; then return; fi
  elif FOUND="$("$@" 2>"$SCRATCH/said" </dev/null)"; then
    return
  fi
  SAID="$FOUND$(<"$SCRATCH/said")" FOUND=''
  return 1
}

run() {  # run COMMAND...
  local try
  if [[ $DRY_RUN ]]; then
    printf '+'
    printf ' %q' "$@"
    printf '\n'
    return
  fi
  for ((try = 1; ; try++)); do
    if attempt "$@"; then return; fi
    passes "$SAID" "$try" || refused "$SAID" "$@"
  done
}

look() {  # look COMMAND...: Google's answer is in FOUND, empty where the thing is not there
  local try
  for ((try = 1; ; try++)); do
    if attempt "$@" || absent "$SAID"; then return; fi
    passes "$SAID" "$try" || refused "$SAID" "$@"
  done
}

look_surely() {  # the same for what is known to be there: that Google does not know it passes
  local try
  for ((try = 1; ; try++)); do
    if attempt "$@" || { [[ $DRY_RUN ]] && absent "$SAID"; }; then return; fi
    passes "$SAID" "$try" || refused "$SAID" "$@"
  done
}

# gcloud itself ends on Ctrl-C; a build that was handed over goes on at Google.
interrupted() {
  local group log build
  trap - INT TERM HUP
  for group in "${BUILDS[@]}"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  if [[ -t 0 ]]; then stty echo || true; fi   # the prompt for the secret switches it off
  printf '\nInterrupted.\n' >&2
  if [[ ${#BUILDS[@]} -gt 0 ]]; then
    note "A build that had begun goes on at Google, harmlessly: it is deployed by nobody. To see and to stop it:"
    note "  gcloud builds list --ongoing --region=$REGION --project=$PROJECT_ID"
    for log in "$SCRATCH"/*.log; do
      build="$(grep -oE 'builds;region=[a-z0-9-]+/[0-9a-f-]{36}' "$log" 2>/dev/null | tail -n 1 || true)"
      if [[ $build ]]; then note "  gcloud builds cancel ${build##*/} --region=$REGION --project=$PROJECT_ID"; fi
    done
  fi
  note "What was made so far stays. Run the same command again and it goes on from here."
  exit 130
}
