# The conformance checklist through the kernel's sg, from two sessions (F.2 to F.4).
. /lab/guest/lib.sh

library conform --family CNF --tapes 0
second=iqn.2026-11.io.virtualloader:second
need iscsiadm -m iface -I second -o new
need iscsiadm -m iface -I second -o update -n iface.initiatorname -v $second
need iscsiadm -m iface -I second -o update -n iface.transport_name -v tcp
need iscsiadm -m discovery -t st -p $PORTAL -I second
A_TSG=$TSG A_CSG=$CSG
need iscsiadm -m node -T "$IQN" -p $PORTAL -I second -l
need eventually 10 devices "$IQN" $second

# The items print results of their own; they are counted here.
/lab/bin/conform conform "$A_TSG" "$A_CSG" "$TSG" "$CSG" >/tmp/items 2>&1
status=$?
cp /tmp/items /lab/items
cat /tmp/items
checks=$(grep -Ec '^(not )?ok [0-9]+ ' /tmp/items)
failures=$(grep -c '^not ok ' /tmp/items)
equal "the checklist was played to its end" $status 0
