package smc

import "virtualloader/driver/spc"

// cdbWords are the fields of the changer's own commands; addresses as the map has
// them, in hexadecimal.
var cdbWords = spc.Words{
	"OPEN/CLOSE IMPORT/EXPORT ELEMENT":             "element@2-3h, action@4.0-4{open|close}",
	"POSITION TO ELEMENT":                          "robot@2-3h, element@4-5h, INVERT@8.0",
	"INITIALIZE ELEMENT STATUS WITH RANGE":         "FAST@1.1, RANGE@1.0, start@2-3h, number@6-7",
	"INITIALIZE ELEMENT STATUS WITH RANGE (SMC-1)": "FAST@1.1, RANGE@1.0, start@2-3h, number@6-7",
	"MOVE MEDIUM":                    "robot@2-3h, from@4-5h, to@6-7h, INVERT@10.0",
	"EXCHANGE MEDIUM":                "robot@2-3h, source@4-5h, first destination@6-7h, second destination@8-9h, INV1@10.1, INV2@10.0",
	"REQUEST VOLUME ELEMENT ADDRESS": "VOLTAG@1.4, type@1.0-3{all|robot|storage|import/export|drive}, start@2-3h, number@4-5, allocation length@7-9",
	"SEND VOLUME TAG":                "type@1.0-3{all|robot|storage|import/export|drive}, start@2-3h, action@5.0-4h, list length@8-9",
	"READ ELEMENT STATUS":            "VOLTAG@1.4, type@1.0-3{all|robot|storage|import/export|drive}, start@2-3h, number@4-5, CURDATA@6.1, DVCID@6.0, allocation length@7-9",
}
