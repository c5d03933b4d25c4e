# shellcheck shell=bash
# Talking to Google Cloud. `run` is the one door for what changes something, `look` for what is asked. What Google does
# not know yet is waited for here, in every wording that it has for it; a refusal is explained here, by its reason.

export CLOUDSDK_CORE_DISABLE_PROMPTS=1
export CLOUDSDK_CORE_SHOULD_PROMPT_TO_ENABLE_API=false   # or a deploy would turn APIs on by itself
SCRATCH="$(mktemp -d)"   # for Google's messages and for policies; nothing secret is written there
trap 'rm -rf "$SCRATCH"' EXIT
trap interrupted INT TERM HUP

FOUND='' SAID=''   # what the last command printed, and what it complained of
readonly CONSOLE=https://console.cloud.google.com
INPUT=''           # what `run` gives its command on standard input: never exported, never an argument
APIS_ON=''         # set once all APIs are enabled: one that still seems off has not heard of it yet
FRESH=''           # set once an account or a role was made: what is unknown now may be known in a moment
UNCHANGED=0
BUILDS=()          # process groups of the builds that run

# Google's words. "(or it may not exist)" ends many a plain 403, so it is waited for only after something was made.
readonly NOT_THERE='NOT_FOUND|[Nn]ot found|Cannot find|does not exist|Unknown service account'
readonly API_OFF='SERVICE_DISABLED|has not been used in project|it is disabled|is not enabled'
readonly JUST_MADE='[Ss]ervice account .*does not exist|Unknown service account|Role .*does not exist'
readonly RIGHT_UNDER_WAY='storage\.objects\.get|could not resolve source|[aA]ccounts\.actAs|ermission denied on secret'

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

absent() { [[ $1 =~ $NOT_THERE || (! $APIS_ON && $1 =~ $API_OFF) ]]; }

# passes MESSAGE TRY: waits, and says what for, where Google's answer will be another one soon; fails where it will not.
# Google on rights: "typically 2 minutes, potentially 7 minutes or longer". A metric may take ten.
passes() {
  local what seconds=5 tries=36
  if [[ $1 =~ concurrent\ (policy\ )?changes ]]; then
    what="somebody else is changing the same policy" seconds=2 tries=10
  elif [[ $1 =~ $RIGHT_UNDER_WAY ]]; then
    what="a right that was given a moment ago has not arrived yet" seconds=20 tries=30
  elif [[ $1 == *"Cannot find metric"* ]]; then
    what="Monitoring does not know the new metric yet" seconds=30 tries=21
  elif [[ $1 =~ $JUST_MADE || ($FRESH && $1 == *"may not exist"*) ]]; then
    what="IAM does not know yet what was just made"
  elif [[ $APIS_ON && $1 =~ $API_OFF ]]; then
    what="an API that was turned on a moment ago is not there yet" seconds=10 tries=30
  else
    return 1
  fi
  if [[ $2 -ge $tries ]]; then return 1; fi
  note "waiting  $what (try $2 of $tries, $seconds s each)"
  sleep "$seconds"
}

refused() {  # refused MESSAGE COMMAND...
  local message=$1
  shift
  {
    printf '\nGoogle refused: %s\n\n%s\n\n' "$(command_words "$@")" "$message"
    printf 'What to do: %s\n' "$(advice "$message" "$(command_words "$@")")"
    printf 'What was made so far stays. Run the same command again and it goes on from here.\n'
  } >&2
  exit 1
}

command_words() {  # the command without its flags and lists, which are long
  local word words=()
  for word in "$@"; do
    if [[ $word == --* ]]; then break; fi
    words+=("$word")
  done
  echo "${words[*]:0:7}"
}

advice() {  # advice MESSAGE COMMAND
  local by_policy
  by_policy="$(policy_advice "$1")"
  if [[ $by_policy ]]; then
    echo "$by_policy"
  elif [[ $1 == *[Bb]illing* ]]; then
    echo "link a billing account: $CONSOLE/billing/linkedaccount?project=$PROJECT_ID"
  elif [[ $1 =~ active\ account|invalid_grant|[Rr]eauthentication|refreshing\ your\ current\ auth ]]; then
    echo "gcloud is not signed in: gcloud auth login"
  elif [[ $1 == *"in a deleted state"* || $1 == *"can't undelete"* ]]; then
    echo "somebody deleted this role. Google undeletes one for 7 days and keeps its id for 37: wait those, or use"
    echo "another project. (./deploy.sh remove deletes no role.)"
  elif [[ $1 =~ $RIGHT_UNDER_WAY ]]; then
    echo "a right takes minutes to arrive, and this one was waited for: try again. If it stays so, ./deploy.sh setup"
    echo "gives it again."
  elif [[ $1 =~ $API_OFF ]]; then
    echo "an API is off. ./deploy.sh setup turns it on; it takes up to a few minutes to arrive."
  elif [[ $1 == *"Cannot find metric"* ]]; then
    echo "Google needs up to ten minutes to know a new metric: try again then."
  elif [[ $1 =~ $JUST_MADE || ($FRESH && $1 == *"may not exist"*) ]]; then
    echo "if ./deploy.sh setup has not run yet, run it; if it has just run, IAM needs some minutes to know what is new."
  elif [[ $1 == *"uild failed"* || $1 == *FAILURE* ]]; then
    echo "read the build's log (Cloud Build → History in the console). What was deployed before still runs."
  elif [[ $1 =~ PERMISSION_DENIED|does\ not\ have\ permission|ermission.*denied|403|lacks ]]; then
    echo "$ACCOUNT may not do \"$2\" in project $PROJECT_ID."
    echo "setup, account, forget and remove need an owner; so does the first deploy. Later deploys can run as"
    echo "threads-build, which ./deploy.sh setup gives its rights; else ask for the role that the message names."
  else
    echo "see the message above; \`gcloud --verbosity=debug\` says more."
  fi
}

policy_advice() {  # what an organisation forbids, and what helps there; nothing where it is no organisation policy
  case "$1" in
    *gcp.resourceLocations*)
      echo "an organisation policy (constraints/gcp.resourceLocations) does not allow this place. Run again with a"
      echo "REGION that it allows; ask whoever administers the organisation which those are."
      ;;
    *restrictNonCmekServices* | *"KMS CryptoKey"*)
      echo "an organisation policy (constraints/gcp.restrictNonCmekServices) wants a key of your own. Make the secret"
      echo "with it, and run again: what is there is used as it is."
      echo "  gcloud secrets create ${WANTED_SECRET:-SECRET} --project=$PROJECT_ID --replication-policy=automatic \\"
      echo "    --kms-key-name=projects/PROJECT/locations/global/keyRings/RING/cryptoKeys/KEY"
      ;;
    *disableServiceAccountCreation* | *"ervice account creation is not allowed"*)
      echo "an organisation policy (constraints/iam.disableServiceAccountCreation) forbids new service accounts. Have"
      echo "project $PROJECT_ID excepted, or have these four made; what is there is used as it is:"
      echo "  ${ACCOUNTS[*]}"
      ;;
    *requireInvokerIam*allowedPolicyMember* | *requireInvokerIam*"permitted customer"*)
      echo "Meta has to reach the sign-in page, and two organisation policies forbid both ways to make it public. Have"
      echo "project $PROJECT_ID excepted from one of them: constraints/run.managed.requireInvokerIam, or the one on"
      echo "members (constraints/iam.allowedPolicyMemberDomains or iam.managed.allowedPolicyMembers). All else is made."
      ;;
    *"permitted customer"* | *allowedPolicyMember*)
      echo "an organisation policy (constraints/iam.allowedPolicyMemberDomains or iam.managed.allowedPolicyMembers)"
      echo "forbids this member. Have project $PROJECT_ID excepted from it, or its own accounts allowed by it."
      ;;
  esac
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
