package ssc

import "virtualloader/driver/spc"

// cdbWords are the fields of the drive's own commands.
var cdbWords = spc.Words{
	"REWIND":                   "IMMED@1.0",
	"FORMAT MEDIUM":            "VERIFY@1.1, IMMED@1.0, format@2.0-3{one partition|as mode page 11h|one and then as mode page 11h}, length@3-4",
	"READ BLOCK LIMITS":        "MLOI@1.0",
	"READ(6)":                  "SILI@1.1, FIXED@1.0, length@2-4",
	"WRITE(6)":                 "FIXED@1.0, length@2-4",
	"SET CAPACITY":             "IMMED@1.0, proportion@3-4",
	"WRITE FILEMARKS(6)":       "IMMED@1.0, count@2-4",
	"SPACE(6)":                 "over@1.0-3{blocks|filemarks|sequential filemarks|to end of data}, count@2-4s",
	"VERIFY(6)":                "VTE@1.5, VBF@1.3, IMMED@1.2, BYTCMP@1.1, FIXED@1.0, length@2-4",
	"ERASE(6)":                 "IMMED@1.1, LONG@1.0",
	"LOAD UNLOAD":              "IMMED@1.0, HOLD@4.3, EOT@4.2, RETEN@4.1, medium@4.0-0{unload|load}",
	"LOCATE(10)":               "BT@1.2, CP@1.1, IMMED@1.0, object@3-6, partition@8",
	"READ POSITION":            "form@1.0-4h, allocation length@7-8",
	"REPORT DENSITY SUPPORT":   "MEDIUM TYPE@1.1, MEDIA@1.0, allocation length@7-8",
	"WRITE FILEMARKS(16)":      "IMMED@1.0, count@12-14",
	"ALLOW OVERWRITE":          "allow@2.0-3{nothing|at the position|a format}, partition@3, object@4-11",
	"READ ATTRIBUTE":           "service action@1.0-4h, volume@5, partition@7, first@8-9h, allocation length@10-13, CACHE@14.0",
	"WRITE ATTRIBUTE":          "WTC@1.0, volume@5, partition@7, list length@10-13",
	"SPACE(16)":                "over@1.0-3{blocks|filemarks|sequential filemarks|to end of data}, count@4-11s",
	"LOCATE(16)":               "to@1.3-4{object|file|type 2|end of data}, CP@1.1, IMMED@1.0, partition@3, id@4-11",
	"ERASE(16)":                "IMMED@1.1, LONG@1.0",
	"READ REVERSE(6)":          "BYTORD@1.2, SILI@1.1, FIXED@1.0, length@2-4",
	"SECURITY PROTOCOL IN":     "protocol@1h, page@2-3h, INC_512@4.7, allocation length@6-9",
	"SECURITY PROTOCOL OUT":    "protocol@1h, page@2-3h, INC_512@4.7, list length@6-9",
	"READ MEDIA SERIAL NUMBER": "allocation length@6-9",
}
