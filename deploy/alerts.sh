# shellcheck shell=bash
# What writes to a person: the metric, the alert policies of deploy/alerts/, and their channels.

readonly METRIC=threads_runs_completed
readonly ALERTS=(errors sign-in-errors silence)   # each a document in deploy/alerts/
CHANNEL_LINES='' CHANNEL=''

# `gcloud monitoring policies` and `channels` are alpha in older releases: what the first call finds out.
MONITORING=(gcloud monitoring)

look_at_monitoring() {  # look_at_monitoring policies|channels ARGUMENTS...
  if [[ ${#MONITORING[@]} -eq 2 ]]; then
    if attempt "${MONITORING[@]}" "$@"; then return; fi
    if [[ $SAID == *"Invalid choice"* ]]; then MONITORING=(gcloud alpha monitoring); fi
  fi
  look "${MONITORING[@]}" "$@"
}

metric_filter() {  # as YAML folds it: on one line
  sed -n '/^filter:/,$p' "$HERE/deploy/metric.yaml" | tail -n +2 | tr -s '\n ' '  ' | sed 's/^ //; s/ $//'
}

ensure_metric() {
  local verb=update
  look gcloud logging metrics describe "$METRIC" --format='value(filter)'
  if [[ $FOUND == "$(metric_filter)" ]]; then
    say there "metric $METRIC"
    return
  fi
  if [[ -z $FOUND ]]; then verb=create; fi
  run gcloud logging metrics "$verb" "$METRIC" --config-from-file="$HERE/deploy/metric.yaml"
  say "${verb}d" "metric $METRIC"
}

list_channels() {  # NAME|ENABLED|VERIFIED|ADDRESS|OURS, a line each, into CHANNEL_LINES
  look_at_monitoring channels list --format='value[separator="|"](name,enabled,verificationStatus,labels.email_address,
    userLabels.managed-by)'
  CHANNEL_LINES="$FOUND"
}

list_alerts() {  # NAME|PART|DOCUMENT|ENABLED|CHANNELS|LOG|METRIC|DURATION, a line each, into FOUND
  look_at_monitoring policies list --filter="userLabels.managed-by=\"$LABEL\"" \
    --format='value[separator="|"](name,userLabels.part,userLabels.document,enabled,notificationChannels.list(),
      conditions[0].conditionMatchedLog.filter,conditions[0].conditionAbsent.filter,
      conditions[0].conditionAbsent.duration)'
}

ensure_alerts() {
  local known part
  ensure_channel
  list_alerts
  known="$FOUND"
  for part in "${ALERTS[@]}"; do ensure_alert "$part" "$known"; done
}

ensure_channel() {  # its name into CHANNEL, or nothing where no ALERT_EMAIL is given
  local line enabled verified
  list_channels
  CHANNEL=''
  if [[ -z $ALERT_EMAIL ]]; then return; fi
  line="$(grep -F "|$ALERT_EMAIL|" <<<"$CHANNEL_LINES" | head -n 1 || true)"
  if [[ -z $line ]]; then
    run "${MONITORING[@]}" channels create --type=email --display-name="Threads Token Keeper" \
      --channel-labels="email_address=$ALERT_EMAIL" --user-labels="managed-by=$LABEL" --format='value(name)'
    say created "e-mail channel $ALERT_EMAIL"
    CHANNEL="${FOUND:-CHANNEL}"
    if [[ $DRY_RUN ]]; then CHANNEL=CHANNEL; fi
    return
  fi
  IFS='|' read -r CHANNEL enabled verified _ <<<"$line"
  say there "e-mail channel $ALERT_EMAIL"
  if [[ ${enabled,,} == false ]]; then note "note     the channel for $ALERT_EMAIL is off: no mail reaches it"; fi
  if [[ $verified == UNVERIFIED ]]; then
    note "note     $ALERT_EMAIL is not verified: no mail reaches it until the link in Google's mail was followed"
  fi
}

document_sum() { cksum <"$HERE/deploy/alerts/$1.json" | cut -d' ' -f1; }   # changes when the document does

in_document() {  # in_document PART FIELD: what the document has there, without JSON's escapes
  sed -n "s/^ *\"$2\": \"\(.*\)\".*/\1/p" "$HERE/deploy/alerts/$1.json" | sed 's/\\"/"/g'
}

# The document's sum is a label of the policy, which stays when somebody edits the policy itself: so what it watches is
# compared too.
as_declared() {  # as_declared PART DOCUMENT LOG|METRIC|DURATION
  local watched="${3/|/}"   # one of the two filters is empty
  [[ $2 == "$(document_sum "$1")" && $watched == "$(in_document "$1" filter)|$(in_document "$1" duration)" ]]
}

ensure_alert() {  # ensure_alert PART KNOWN
  local name document channels watched wanted labels words
  IFS='|' read -r name _ document _ channels watched <<<"$(grep "|$1|" <<<"$2" | head -n 1 || true)"
  # The document replaces all of a policy, channels too: those that are there, and the one asked for, are given again.
  wanted="$(tr -s ',;' '\n' <<<"$channels,$CHANNEL" | sort -u | grep . | paste -sd, - || true)"
  if [[ $name ]] && as_declared "$1" "$document" "$watched" && same_words "$channels" "$wanted"; then
    say there "alert on $1"
    return
  fi
  labels="managed-by=$LABEL,part=$1,document=$(document_sum "$1")"
  words=(--policy-from-file="$HERE/deploy/alerts/$1.json")
  if [[ $name ]]; then
    words+=(--update-user-labels="$labels" ${wanted:+"--set-notification-channels=$wanted"})
    run "${MONITORING[@]}" policies update "$name" "${words[@]}"
    say updated "alert on $1"
  else
    words+=(--user-labels="$labels" ${wanted:+"--notification-channels=$wanted"})
    run "${MONITORING[@]}" policies create "${words[@]}"
    say created "alert on $1"
  fi
}

check_alerts() {
  local known part name document enabled channels watched mail
  look gcloud logging metrics describe "$METRIC" --format='value(filter)'
  if [[ $FOUND != "$(metric_filter)" ]]; then
    wrong "the metric $METRIC is missing or not as it should be" "$(again functions)"
  fi
  list_channels
  mail="$(cut -d'|' -f4,5 <<<"$CHANNEL_LINES" | sed -n "s/|$LABEL\$//p" | head -n 1)"
  mail="ALERT_EMAIL=${ALERT_EMAIL:-${mail:-you@example.com}}"
  list_alerts
  known="$FOUND"
  for part in "${ALERTS[@]}"; do
    IFS='|' read -r name _ document enabled channels watched <<<"$(grep "|$part|" <<<"$known" | head -n 1 || true)"
    if [[ -z $name ]]; then
      wrong "there is no alert on $part" "$mail $(again functions)"
      continue
    fi
    check_doubled "$part" "$known"
    if ! as_declared "$part" "$document" "$watched"; then
      wrong "the alert on $part is an older one, or was edited by hand" "$(again functions)"
    fi
    if [[ $enabled != True ]]; then
      wrong "the alert on $part is off" "${MONITORING[*]} policies update $name --enabled --project=$PROJECT_ID"
    fi
    if [[ -z $channels ]]; then
      wrong "the alert on $part reaches nobody" "$mail $(again functions)"
    else
      check_channels "$part" "$channels"
    fi
  done
}

check_doubled() {  # check_doubled PART KNOWN: two runs at once make two
  local name
  while IFS='|' read -r name _; do
    if [[ $name ]]; then
      wrong "there is another alert on $1, so each mail comes twice" \
        "${MONITORING[*]} policies delete $name --project=$PROJECT_ID --quiet"
    fi
  done <<<"$(grep "|$1|" <<<"$2" | tail -n +2 || true)"
}

check_channels() {  # check_channels PART CHANNELS
  local channel enabled verified address before=$PROBLEMS
  for channel in ${2//[,;]/ }; do
    IFS='|' read -r _ enabled verified address _ <<<"$(grep -F "$channel|" <<<"$CHANNEL_LINES" | head -n 1 || true)"
    if [[ ${enabled,,} == false ]]; then
      wrong "the alert on $1 goes to a channel that is off${address:+: $address}" \
        "${MONITORING[*]} channels update $channel --enabled --project=$PROJECT_ID"
    fi
    if [[ $verified == UNVERIFIED ]]; then
      wrong "the alert on $1 goes to a channel that nobody has verified${address:+: $address}" \
        "follow the link in Google's mail, or: $CONSOLE/monitoring/alerting/notifications?project=$PROJECT_ID"
    fi
  done
  if [[ $PROBLEMS -eq $before ]]; then good "alert on $1"; fi
}
